"""Tables of ours as pandas' data frames, with the type of every column."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from of3.runtime.logs.columns import VIDEO, Column, Kind, Value, known_column, legible
from of3.runtime.logs.folder import FOLDER
from of3.runtime.logs.rows import ROWS, Result, face_rows, faces_columns, faces_of, taken
from of3.runtime.logs.video import FOLDER as VIDEOS
from of3.runtime.logs.video import PARQUET, TABLE, named, stems_there
from of3.runtime.tables.libraries import library
from of3.runtime.tables.video_rows import rows_of, video_columns
from of3.runtime.tracks.watched import WatchedFrame
from of3.runtime.types import Record, RunError

if TYPE_CHECKING:
    from pandas import DataFrame

# Of pandas: where a value may be missing, and where none is.
DTYPES: Mapping[Kind, tuple[str, str]] = {
    "text": ("str", "str"),
    "word": ("category", "category"),
    "count": ("Int32", "int32"),
    "flag": ("boolean", "bool"),
    "single": ("float32", "float32"),
    "double": ("float64", "float64"),
}
DELIMITERS = {".tsv": "\t"}
SUFFIXES = (".csv", ".tsv", PARQUET)


def read_logs(path: str | Path) -> "DataFrame":
    """A table of a run: numbers are numbers, `success` is bool, what is blank is missing and nothing else is.

    path: a table (.csv, .tsv, .parquet); or a log root or its `openface3`: openface3.csv or, where there is
    none, the tables of all videos one below the other, behind the path of each as `video`.  A name that is not
    UTF-8 has its bytes as \\xff.  Raises RunError: there is no table, or pandas is missing; OSError.
    """
    here = Path(path)
    if not here.exists():
        raise RunError(f"{here}: not there, want the --logs of a run, or a table")
    if not here.is_dir():
        if here.suffix not in SUFFIXES:
            raise RunError(f"{here}: got no table by its name, want one of {', '.join(SUFFIXES)}")
        return _typed(_read(here))
    folder = here / FOLDER if (here / FOLDER).is_dir() else here
    if (folder / ROWS.file).exists():
        return _typed(_read(folder / ROWS.file))
    tables = {video: _table_of(folder / VIDEOS / stem) for video, stem in sorted(stems_there(folder).items())}
    frames = [
        _read(table).assign(**{VIDEO.name: legible(video)}) for video, table in tables.items() if table.exists()
    ]
    if not frames:
        raise RunError(f"{folder}: got no table there, want one of {ROWS.file}, {VIDEOS}/<stem>{TABLE}")
    whole = library("pandas").concat(frames, ignore_index=True)
    names = max((list(frame.columns.drop(VIDEO.name)) for frame in frames), key=len)
    return _typed(whole[[VIDEO.name, *names]])


def _table_of(place: Path) -> Path:
    """A video's table: the one of all digits, where there are both."""
    parquet = named(place, PARQUET)
    return parquet if parquet.exists() else named(place, TABLE)


def to_frame(results: Iterable[Result] | Iterable[WatchedFrame]) -> "DataFrame":
    """What a pipeline gave, or `watch` -> a row for every face, or one that says that there is none.

    The columns of openface3_faces.csv, or of a video's table, unrounded.  Raises RunError: pandas is missing.
    """
    every = list(results)
    frames = [each for each in every if isinstance(each, WatchedFrame)]
    pictures = [each for each in every if not isinstance(each, WatchedFrame)]
    if frames:
        points = _points(face.record for frame in frames for face in frame.faces)
        return _frame(video_columns(points), [row for frame in frames for row in rows_of(frame, points)])
    points = _points(face for result in pictures for face in faces_of(result))
    found = ((taken(result).source, faces_of(result)) for result in pictures)
    rows = [row for path, faces in found for row in face_rows(path, faces, points)]
    return _frame(faces_columns(points), rows)


def _points(records: Iterable[Record]) -> int:
    """Landmarks of a face."""
    return max((0 if record.landmarks is None else len(record.landmarks) for record in records), default=0)


def _frame(columns: Sequence[Column], rows: Sequence[Sequence[Value]]) -> "DataFrame":
    pandas = library("pandas")
    by_column = zip(*rows, strict=True) if rows else ((),) * len(columns)
    return pandas.DataFrame(
        {
            column.name: pandas.Series(
                [legible(each) for each in values] if column.kind == "text" else list(values),
                dtype=_dtype(column),
            )
            for column, values in zip(columns, by_column, strict=True)
        }
    )


def _dtype(column: Column) -> str:
    return DTYPES[column.kind][column.is_always]


def _read(path: Path) -> "DataFrame":
    """With types under which any value may be missing."""
    if path.suffix == PARQUET:
        arrow, parquet = library("pyarrow"), library("pyarrow.parquet")
        pandas = library("pandas")
        missing = {arrow.int32(): pandas.Int32Dtype(), arrow.bool_(): pandas.BooleanDtype()}
        return parquet.read_table(path).to_pandas(types_mapper=missing.get)
    how = {"sep": DELIMITERS.get(path.suffix, ","), "encoding_errors": "backslashreplace"}
    pandas = library("pandas")
    header = pandas.read_csv(path, nrows=0, **how).columns
    known = {name: column for name in header if (column := known_column(name.strip()))}
    dtypes = {name: _dtype_read(name, column) for name, column in known.items()}
    frame = pandas.read_csv(path, dtype=dtypes, keep_default_na=False, na_values=[""], **how)
    return frame.rename(columns=str.strip)


def _dtype_read(name: str, column: Column) -> str:
    """name: in the header.  Behind a space pandas reads numbers, and no flags."""
    return DTYPES["count" if column.kind == "flag" and name != column.name else column.kind][False]


def _typed(frame: "DataFrame") -> "DataFrame":
    columns = [column for column in map(known_column, frame.columns) if column is not None]
    # Text has its type, and pandas 2 would make "nan" of what is missing.
    typed = frame.astype({column.name: _dtype(column) for column in columns if column.kind != "text"})
    words = {column.name: typed[column.name].cat for column in columns if column.kind == "word"}
    return typed.assign(**{name: word.set_categories(sorted(word.categories)) for name, word in words.items()})
