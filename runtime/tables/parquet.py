"""Rows -> a Parquet file, some at a time; each column with its type, its unit and what it is."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from of3.runtime.logs.columns import Column, Kind, Value
from of3.runtime.logs.files import replacing
from of3.runtime.stream import batches
from of3.runtime.tables.libraries import library

BATCH_ROWS = 1000  # that are held as Python's values, some 8 KB each
GROUP_BATCHES = 16  # of a row group: 16 MB of landmarks, which is what a reader holds at least
MADE = b"of3"  # of the file's metadata: what its rows were made with, as JSON; by it a file is known as ours


def write_parquet(
    path: Path, columns: Sequence[Column], rows: Iterable[Sequence[Value]], made: Mapping[str, Any]
) -> None:
    """Write a file whole or not at all.  rows: their text as `columns.legible` gives it.  made: with what.

    The same rows give the same bytes.  Raises RunError: pyarrow is missing, or something else is in the way;
    OSError.
    """
    arrow, parquet = library("pyarrow"), library("pyarrow.parquet")
    schema = schema_of(columns, made)
    with replacing(path) as file, parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        parts = (_batch(arrow, schema, some) for some in batches(rows, BATCH_ROWS))
        for group in batches(parts, GROUP_BATCHES):
            table = arrow.Table.from_batches(group, schema)
            writer.write_table(table.unify_dictionaries(), row_group_size=BATCH_ROWS * GROUP_BATCHES)


def schema_of(columns: Sequence[Column], made: Mapping[str, Any]) -> Any:
    """As pyarrow has it.  Raises RunError: that is missing."""
    arrow = library("pyarrow")
    types: Mapping[Kind, Any] = {
        "text": arrow.string(),
        "word": arrow.dictionary(arrow.int32(), arrow.string()),
        "count": arrow.int32(),
        "flag": arrow.bool_(),
        "single": arrow.float32(),
        "double": arrow.float64(),
    }
    fields = [
        arrow.field(
            column.name,
            types[column.kind],
            nullable=not column.is_always,
            metadata={"description": column.text, **({"unit": column.unit} if column.unit else {})},
        )
        for column in columns
    ]
    return arrow.schema(fields, metadata={MADE: json.dumps(made, sort_keys=True)})


def _batch(arrow: Any, schema: Any, rows: Sequence[Sequence[Value]]) -> Any:
    by_column = zip(schema, zip(*rows, strict=True), strict=True)
    arrays = [arrow.array(values, field.type) for field, values in by_column]
    return arrow.RecordBatch.from_arrays(arrays, schema=schema)


def made_in(path: Path) -> bool:
    """Whether a Parquet file is one of ours."""
    arrow, parquet = library("pyarrow"), library("pyarrow.parquet")
    try:
        return MADE in (parquet.read_schema(path).metadata or {})
    except arrow.ArrowInvalid:
        return False
