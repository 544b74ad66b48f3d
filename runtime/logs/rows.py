"""What the tables and per-image files hold.  Other scripts depend on columns, order and formats."""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from of3.runtime.logs import columns
from of3.runtime.logs.columns import PLACE, Column, Value, face_columns, names_of, texts
from of3.runtime.logs.face_rows import face_row, no_face_row
from of3.runtime.remarks import TILTED, roll_deg
from of3.runtime.settings import Faces
from of3.runtime.types import Analysis, Failure, Floats, PictureError, Record
from of3.runtime.vision.derived import derived
from of3.runtime.vision.eyes import closing, openness
from of3.runtime.vision.lens import camera_of

Result = Record | Failure | Analysis  # what is known of a picture: of one face, or of every one


@dataclass(frozen=True, slots=True)
class Layout:
    """A table's file and its columns."""

    file: str
    columns: tuple[str, ...]
    delimiter: str

    def text(self, rows: Sequence[Sequence[str]]) -> bytes:
        """Names that are not UTF-8 are written back byte for byte."""
        written = self._written(rows, csv.QUOTE_MINIMAL)
        if "\r" in written:  # it ends a line for whoever reads it, but before Python 3.13 makes no quotes
            return b"".join(self._quoted(row) for row in rows)
        return written.encode("utf-8", "surrogateescape")

    def _quoted(self, row: Sequence[str]) -> bytes:
        quoting: Literal[0, 1] = csv.QUOTE_ALL if "\r" in "".join(row) else csv.QUOTE_MINIMAL
        return self._written([row], quoting).encode("utf-8", "surrogateescape")

    def _written(self, rows: Iterable[Sequence[str]], quoting: Literal[0, 1]) -> str:
        out = io.StringIO()
        csv.writer(out, delimiter=self.delimiter, lineterminator="\n", quoting=quoting).writerows(rows)
        return out.getvalue()


CSV_COLUMNS, FULL_COLUMNS = names_of(columns.BEST), names_of(columns.FULL)
ROWS = Layout("openface3.csv", CSV_COLUMNS, ",")
ERRORS = Layout("errors.tsv", names_of(columns.TOLD), "\t")
FULL = Layout("openface3_full.csv", FULL_COLUMNS, ",")
BOXES = Layout("openface3_boxes.csv", names_of(columns.BOX), ",")
FACES_FILE = "openface3_faces.csv"
FILES = (ROWS.file, ERRORS.file, FULL.file, BOXES.file, FACES_FILE)
OWN_FILES = (".tsv", ".landmarks.json", ".landmarks.pts")  # after a picture's stem
TSV_COLUMNS = ["gaze_yaw", "gaze_pitch", "AU_vec", "emotion_logits"]


@dataclass(frozen=True, slots=True)
class RowOptions:
    """What is written of a picture, and by which thresholds."""

    th_smile: float = 0.5
    th_mouth: float = 0.5
    per_image: bool = True
    extra_csv: bool = False
    csv_emotion_topk: int = 0
    landmarks_fmt: str = "json"  # or "pts", "both"
    faces: Faces = "best"
    points: int = 0  # landmarks of a face, 0 where they do not run
    eyes: bool = False
    th_eyes: float = 0.2

    @property
    def layouts(self) -> list[Layout]:
        faces = Layout(FACES_FILE, names_of(faces_columns(self.points)), ",")
        return [ROWS, ERRORS] + [FULL, BOXES] * self.extra_csv + [faces] * (self.faces != "best")

    def layout(self, file: str) -> Layout | None:
        """None where the table is not asked for."""
        return next((layout for layout in self.layouts if layout.file == file), None)


def taken(result: Result) -> Record | Failure:
    """What the tables of one face a picture show."""
    return result.taken if isinstance(result, Analysis) else result


def faces_of(result: Result) -> Sequence[Record]:
    if isinstance(result, Analysis):
        return result.faces
    return [result] if isinstance(result, Record) else []


def text_of(layout: Layout, options: RowOptions, results: Iterable[Result]) -> bytes:
    """The rows that some pictures have in a table."""
    if layout.file == FACES_FILE:
        faces = ((taken(result).source, faces_of(result)) for result in results)
        return faces_text(layout, faces, options.points)
    return layout.text([row for result in results for row in rows_of(layout, taken(result), options)])


def faces_columns(points: int) -> tuple[Column, ...]:
    """Of the table of every face."""
    return (*PLACE, *face_columns(points))


def faces_text(layout: Layout, found: Iterable[tuple[str, Sequence[Record]]], points: int) -> bytes:
    """The rows of pictures' faces.  found: the path of each, and its faces."""
    rows = (row for path, faces in found for row in face_rows(path, faces, points))
    return layout.text(list(texts(faces_columns(points), rows)))


def face_rows(path: str, faces: Sequence[Record], points: int) -> Iterator[list[Value]]:
    """Of a picture, as `faces_columns`: a row a face, or one that says that there is none."""
    file = path.rpartition(os.sep)[2]
    for record in faces:
        found = derived(record.landmarks, camera_of(record))
        yield [path, file, *face_row(record, found, record.face, points)]
    if not faces:
        yield [path, file, *no_face_row(points)]


def rows_of(layout: Layout, result: Record | Failure, options: RowOptions) -> Iterator[list[str]]:
    """A picture's rows of a table of one face a picture."""
    if layout is ROWS:
        yield failure_row(result) if isinstance(result, Failure) else record_row(result, options)
    elif isinstance(result, Failure):
        if layout is ERRORS:
            yield [result.source, result.stage, result.reason]
    elif layout is ERRORS:
        yield from note_rows(result)
    elif layout is FULL:
        yield full_row(result, options.csv_emotion_topk)
    elif result.box is not None and result.points is not None:
        yield box_row(result, result.box, result.points)


def note_rows(record: Record) -> Iterator[list[str]]:
    """What is told of a picture though it succeeded."""
    if record.damage:
        yield [record.source, "read", f"damaged: {record.damage}"]
    if TILTED in record.remarks and record.points is not None:
        yield [record.source, "detect", f"tilted: {abs(roll_deg(record.points)):.0f} degrees"]


def file_texts(record: Record, options: RowOptions) -> dict[str, str]:
    """A picture's files, by what comes after their stem."""
    texts = {".tsv": tsv_text(record)} if options.per_image else {}
    if record.landmarks is not None:
        makers = {"json": json_text, "pts": pts_text}
        formats = tuple(makers) if options.landmarks_fmt == "both" else (options.landmarks_fmt,)
        texts |= {f".landmarks.{name}": makers[name](record.landmarks) for name in formats}
    return texts


def failure_row(failure: Failure) -> list[str]:
    empty = [""] * (len(CSV_COLUMNS) - 3)
    return [failure.source, failure.source.rpartition(os.sep)[2], *empty, "0"]


class Measures(NamedTuple):
    """What openface3.csv needs of a record.  A tuple, because millions are made in a moment."""

    path: str
    yaw_rad: float
    pitch_rad: float
    emotion: str
    probability: float
    au12: float
    au25: float
    au26: float
    confidence: float | None
    eye: float | None = None  # how open both eyes are on average, where that is asked for


def record_row(record: Record, options: RowOptions) -> list[str]:
    aus, gaze, share = record.aus, record.gaze_rad, record.probabilities[record.emotion]
    of_aus = (aus[12], aus[25], aus[26])
    measures = Measures(
        record.source,
        gaze["yaw"],
        gaze["pitch"],
        record.emotion,
        share,
        *of_aus,
        record.confidence,
        _eye(record) if options.eyes else None,
    )
    return measures_row(measures, options)


def _eye(record: Record) -> float | None:
    """How open both eyes are on average; None where there are no landmarks that tell."""
    if record.landmarks is None:
        return None
    try:
        eyes = openness(record.landmarks)
    except PictureError:
        return None
    return (eyes.left + eyes.right) / 2


def measures_row(measures: Measures, options: RowOptions) -> list[str]:
    path, yaw_rad, pitch_rad, emotion, probability, au12, au25, au26, confidence, eye = measures
    is_smiling = au12 >= options.th_smile
    is_open = max(au25, au26) >= options.th_mouth
    return [
        path,
        path.rpartition(os.sep)[2],
        f"{yaw_rad:.3f}",
        f"{pitch_rad:.3f}",
        "" if eye is None else "closed" if eye < options.th_eyes else "open",
        "open" if is_open else "closed",
        "smile" if is_smiling else "neutral",
        "likely" if is_smiling and is_open else "",
        emotion,
        f"{probability:.4f}",
        f"{au12:.4f}",
        f"{au25:.4f}",
        f"{au26:.4f}",
        "" if eye is None else f"{closing(eye):.4f}",  # au45 is not one of the eight
        "" if confidence is None else f"{confidence:.4f}",
        "1",
    ]


def full_row(record: Record, topk: int) -> list[str]:
    ranked = sorted(record.probabilities.items(), key=lambda item: -item[1])[:topk]
    return [
        record.source,
        record.source.rpartition(os.sep)[2],
        *(f"{record.gaze_rad[name]:.3f}" for name in ("yaw", "pitch")),
        ",".join(f"{label}:{probability:.4f}" for label, probability in ranked),
        *(f"{record.aus[int(column[2:])]:.4f}" for column in FULL_COLUMNS[5:]),
    ]


def box_row(record: Record, box: Sequence[float], points: Floats) -> list[str]:
    x1, y1, x2, y2 = box
    return [
        record.source,
        str(record.faces),
        str(record.face),
        *(f"{length:.2f}" for length in (x1, y1, x2 - x1, y2 - y1)),
        f"{record.confidence:.4f}",
        *(f"{place:.2f}" for place in points.ravel().tolist()),
    ]


def tsv_text(record: Record) -> str:
    raw = record.raw
    gaze = [f"{record.gaze_rad[name]:.6f}" for name in ("yaw", "pitch")]
    cells = [*gaze, _joined(raw.au), _joined(raw.emotion_logits)]
    return "\t".join(TSV_COLUMNS) + "\n" + "\t".join(cells) + "\n"


def _joined(values: Floats) -> str:
    return ",".join(f"{value:.6f}" for value in values.tolist())


def json_text(points: Floats) -> str:
    return json.dumps({"points": [[round(x, 3), round(y, 3)] for x, y in points.tolist()]}) + "\n"


def pts_text(points: Floats) -> str:
    lines = [f"{x:.3f} {y:.3f}" for x, y in points.tolist()]
    return "\n".join(["version: 1", f"n_points: {len(lines)}", "{", *lines, "}"]) + "\n"
