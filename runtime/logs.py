"""The files a run writes.  Names, columns, order and number formats are what other scripts depend on."""

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from of3.runtime.types import Failure, Floats, Record, RunError

# fmt: off
CSV_COLUMNS = [
    "path", "file", "pose_yaw", "pose_pitch", "eyes", "mouth", "smile", "teeth", "emotion", "emotion_conf",
    "au12", "au25", "au26", "au45", "confidence", "success",
]
FULL_COLUMNS = [
    "path", "file", "pose_yaw", "pose_pitch", "emotion_topk",
    "au1", "au2", "au4", "au6", "au9", "au12", "au25", "au26",
]
# fmt: on
ERROR_COLUMNS = ["path", "stage", "reason"]
TSV_COLUMNS = ["gaze_yaw", "gaze_pitch", "AU_vec", "emotion_logits"]
MAX_STEM_BYTES = 200  # 255 less the longest suffix and a temporary name


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What is written, and by which thresholds."""

    override: bool = False
    th_smile: float = 0.5
    th_mouth: float = 0.5
    per_image: bool = True
    extra_csv: bool = False
    emotion_topk: int = 0
    landmark_formats: tuple[str, ...] = ()  # of "json", "pts"


def replace_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, "utf-8", errors="surrogateescape", newline="")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class Table:
    """A delimited text file that grows row by row; every row is flushed whole."""

    def __init__(self, path: Path, columns: Sequence[str], delimiter: str, override: bool):
        """Raises RunError when the file exists with other columns and `override` is off."""
        is_new = override or not path.exists() or path.stat().st_size == 0
        if not is_new:
            _check_header(path, columns, delimiter)
        mode = "w" if is_new else "a"
        # Names that are not UTF-8 are written back byte for byte.
        self._file = path.open(mode, buffering=1, encoding="utf-8", errors="surrogateescape", newline="")
        self._writer = csv.writer(self._file, delimiter=delimiter, lineterminator="\n")
        if is_new:
            self.write(columns)

    def write(self, cells: Sequence[str]) -> None:
        self._writer.writerow(cells)

    def close(self) -> None:
        self._file.close()


def _check_header(path: Path, columns: Sequence[str], delimiter: str) -> None:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        header = next(csv.reader(file, delimiter=delimiter), [])
    if header != list(columns):
        raise RunError(
            f"{path}: got columns {','.join(header)}, want {','.join(columns)}: "
            "pass --override to start it anew, or another --logs"
        )


class RunLogs:
    """All tables and per-image files of one run.  Use as a context manager."""

    def __init__(self, folder: Path, root: str, paths: Iterable[str], options: LogOptions):
        """folder: `<logs>/openface3`.  paths: the run's pictures below `root`, in the order of their results.

        Raises RunError when a table exists with other columns; OSError when the folder cannot be written.
        """
        self._options = options
        self._per_image = folder / "per_image"
        self._stems = output_stems(os.path.relpath(path, root) for path in paths)
        folder.mkdir(parents=True, exist_ok=True)
        self._rows = Table(folder / "openface3.csv", CSV_COLUMNS, ",", options.override)
        self._errors = Table(folder / "errors.tsv", ERROR_COLUMNS, "\t", options.override)
        self._full = (
            Table(folder / "openface3_full.csv", FULL_COLUMNS, ",", options.override)
            if options.extra_csv
            else None
        )

    def write(self, result: Record | Failure) -> None:
        """The next picture's files, then its row, so that a row's files are always there."""
        stem = next(self._stems)
        if isinstance(result, Failure):
            self._errors.write([result.source, result.stage, result.reason])
            self._rows.write(failure_row(result))
            return
        if result.damage:
            self._errors.write([result.source, "read", f"damaged: {result.damage}"])
        self._write_files(self._per_image / stem, result)
        if self._full is not None:
            self._full.write(full_row(result, self._options.emotion_topk))
        self._rows.write(record_row(result, self._options))

    def _write_files(self, stem: Path, record: Record) -> None:
        if self._options.per_image:
            replace_text(with_suffix(stem, ".tsv"), tsv_text(record))
        if record.landmarks is not None:
            for name in self._options.landmark_formats:
                text = json_text(record.landmarks) if name == "json" else pts_text(record.landmarks)
                replace_text(with_suffix(stem, f".landmarks.{name}"), text)

    def __enter__(self) -> "RunLogs":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for table in (self._rows, self._errors, self._full):
            if table is not None:
                table.close()


def with_suffix(stem: Path, suffix: str) -> Path:
    """`stem` + `suffix`; the stem may hold dots of its own."""
    return stem.with_name(stem.name + suffix)


def output_stems(relatives: Iterable[str]) -> Iterator[str]:
    """Pictures relative to the input folder -> where below per_image/ each writes, all different.

    The first of equal stems keeps the bare stem, the others keep their folder, and where a folder holds two
    of one stem (a.jpg, a.png) the later keeps its suffix as well.
    """
    taken: set[str] = set()
    for relative in relatives:
        folder, name = os.path.split(relative)
        stem = os.path.splitext(name)[0]
        candidates = (stem, os.path.join(folder, stem), os.path.join(folder, name))
        chosen = next(fitted for fitted in map(_fitted, candidates) if fitted not in taken)
        taken.add(chosen)
        yield chosen


def _fitted(stem: str) -> str:
    """A stem short enough for a file name; a digest keeps long ones apart."""
    folder, name = os.path.split(stem)
    encoded = os.fsencode(name)
    if len(encoded) <= MAX_STEM_BYTES:
        return stem
    digest = hashlib.sha256(os.fsencode(stem)).hexdigest()[:16]
    return os.path.join(folder, f"{os.fsdecode(encoded[: MAX_STEM_BYTES - 17])}-{digest}")


def failure_row(failure: Failure) -> list[str]:
    empty = [""] * (len(CSV_COLUMNS) - 3)
    return [failure.source, os.path.basename(failure.source), *empty, "0"]


def record_row(record: Record, options: LogOptions) -> list[str]:
    aus = record.aus
    is_smiling = aus[12] >= options.th_smile
    is_open = max(aus[25], aus[26]) >= options.th_mouth
    return [
        record.source,
        os.path.basename(record.source),
        *_pose(record),
        "",  # eyes: nothing measures them
        "open" if is_open else "closed",
        "smile" if is_smiling else "neutral",
        "likely" if is_smiling and is_open else "",
        record.emotion,
        f"{record.probabilities[record.emotion]:.4f}",
        *(f"{aus[au]:.4f}" for au in (12, 25, 26)),
        "",  # au45: not one of the eight
        "" if record.confidence is None else f"{record.confidence:.4f}",
        "1",
    ]


def full_row(record: Record, topk: int) -> list[str]:
    ranked = sorted(record.probabilities.items(), key=lambda item: -item[1])[:topk]
    return [
        record.source,
        os.path.basename(record.source),
        *_pose(record),
        ",".join(f"{label}:{probability:.4f}" for label, probability in ranked),
        *(f"{record.aus[int(column[2:])]:.4f}" for column in FULL_COLUMNS[5:]),
    ]


def _pose(record: Record) -> list[str]:
    return [f"{record.gaze_rad['yaw']:.3f}", f"{record.gaze_rad['pitch']:.3f}"]


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


def write_au_info(folder: Path, document: dict[str, Any]) -> None:
    """`au_info.json`, replaced whole."""
    replace_text(folder / "au_info.json", json.dumps(document, indent=2) + "\n")
