"""Parquet files: bounded, repeatable, whole or not there."""

import subprocess
import sys

import pytest

from of3.runtime.logs.columns import FACE, MOMENT
from of3.runtime.tables.parquet import made_in, write_parquet

pq = pytest.importorskip("pyarrow.parquet", reason="the extra tables is not installed")
COLUMNS = (*MOMENT, *FACE)


def rows(count):
    for number in range(count):
        yield [number, number / 30, "pts" if number % 3 else "rate", *(_value(each, number) for each in FACE)]


def _value(column, number):
    if number % 5 == 0 and not column.is_always:
        return None
    return {"word": ("happy", "sad")[number % 2], "flag": bool(number % 2)}.get(column.kind, number % 100)


def test_the_same_rows_give_the_same_bytes_and_every_value(tmp_path):
    for name in "ab":
        write_parquet(tmp_path / name, COLUMNS, rows(33_000), {"flags": {"b": 1, "a": 2}})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    found = pq.read_table(tmp_path / "a")
    assert found.num_rows == 33_000 and found["frame"].to_pylist() == list(range(33_000))
    assert pq.ParquetFile(tmp_path / "a").num_row_groups == 3
    assert found["emotion"].to_pylist() == [
        None if n % 5 == 0 else ("happy", "sad")[n % 2] for n in range(33_000)
    ]
    assert made_in(tmp_path / "a")


def test_no_rows_are_a_file_with_columns(tmp_path):
    write_parquet(tmp_path / "none", COLUMNS, [], {})
    assert pq.read_table(tmp_path / "none").num_rows == 0
    assert pq.read_schema(tmp_path / "none").names == [column.name for column in COLUMNS]


def test_rows_that_end_in_an_error_leave_what_was_there(tmp_path):
    def broken():
        yield from rows(2000)
        raise OSError("the disk")

    write_parquet(tmp_path / "a", COLUMNS, rows(10), {})
    before = (tmp_path / "a").read_bytes()
    with pytest.raises(OSError, match="the disk"):
        write_parquet(tmp_path / "a", COLUMNS, broken(), {})
    assert (tmp_path / "a").read_bytes() == before and len([*tmp_path.iterdir()]) == 1


def test_memory_does_not_grow_with_the_rows(tmp_path):
    """What a process holds at most, of many rows and of a fifth as many."""
    peaks = []
    for count in (20_000, 100_000):
        measured = f"""
import resource, sys
from pathlib import Path
from of3.runtime.logs.columns import FACE, MOMENT
from of3.runtime.tables.parquet import write_parquet
row = [0, 0.5, "pts", *([None] * len(FACE))]
row[5] = True
rows = ([number, *row[1:3], *[None if c.kind != "single" else number / 7 for c in FACE[:2]], True,
         *[number / 3 if c.kind == "single" else None for c in FACE[3:]]] for number in range({count}))
write_parquet(Path({str(tmp_path / str(count))!r}), (*MOMENT, *FACE), rows, {{}})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
        done = subprocess.run([sys.executable, "-c", measured], check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] - peaks[0] < 30
