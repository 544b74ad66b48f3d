"""The files a run writes.  Names, columns, order and number formats are what other scripts depend on."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from of3.runtime import journal, tables
from of3.runtime.files import Inside, replace_text, sort_key
from of3.runtime.journal import Header, Stamp
from of3.runtime.tables import Found, Layout, Tables
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
ROWS = Layout("openface3.csv", tuple(CSV_COLUMNS), ",")
ERRORS = Layout("errors.tsv", ("path", "stage", "reason"), "\t")
FULL = Layout("openface3_full.csv", tuple(FULL_COLUMNS), ",")
TSV_COLUMNS = ["gaze_yaw", "gaze_pitch", "AU_vec", "emotion_logits"]
MAX_STEM_BYTES = 200  # 255 less the longest suffix and a temporary name


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What is written, and by which thresholds."""

    override: bool = False
    resume: bool = False
    retry_failed: bool = False
    th_smile: float = 0.5
    th_mouth: float = 0.5
    per_image: bool = True
    extra_csv: bool = False
    emotion_topk: int = 0
    landmark_formats: tuple[str, ...] = ()  # of "json", "pts"


class RunLogs:
    """All tables and per-image files of one run.  Use as a context manager."""

    def __init__(self, folder: Path, root: str, options: LogOptions, identity: Mapping[str, Any] | None = None):
        """folder: `<logs>/openface3`, which is there.  root: the folder that the pictures are below.

        identity: what makes the rows, by which a run is known that may be gone on with.
        Raises RunError: a table has other columns, or the run there is another; OSError: not to be written.
        """
        self._root, self._options, self._folder = root, options, folder
        self._layouts = [ROWS, ERRORS] + [FULL] * options.extra_csv
        self._stems = Stems()
        self._done: set[int] = set()
        self._last, self._is_sorted = "", True
        tables.finish_replacing(folder, self._layouts)
        found = self._found(identity or {})
        self._replay(found)
        self._tables = Tables(folder, self._layouts, found)
        self._per_image = Inside(folder / "per_image")

    def _found(self, identity: Mapping[str, Any]) -> Found:
        """What there is and may stay.  Raises RunError."""
        header, has_journal = Header(identity, (0, 0, 0)), (self._folder / journal.FILE).exists()
        if self._options.resume and has_journal:
            try:
                found = tables.recover(self._folder, self._layouts)
                check_identity(found.header.identity, identity)
                return found
            except RunError:
                if not self._options.override:
                    raise
        if self._options.override:
            (self._folder / journal.FILE).unlink(missing_ok=True)
            return Found(header, (0, 0, 0), 0)
        return Found(header, tables.whole(self._folder, self._layouts, self._options.resume), 0)

    def _replay(self, found: Found) -> None:
        """Know again what the run before did: its pictures, their stems, their order."""
        for entry in tables.entries(self._folder, found):
            self._stems.claim(self._relative(entry.path))
            self._follow(entry.path)
            if entry.success or not self._options.retry_failed:
                self._done.add(hash((entry.path, entry.stamp)))

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self._root)

    def _follow(self, path: str) -> None:
        key = sort_key(path)
        self._is_sorted = self._is_sorted and self._last < key
        self._last = key

    def is_done(self, path: str, stamp: Stamp) -> bool:
        """Whether the run that is gone on with has a row of this very file."""
        return hash((path, stamp)) in self._done

    def write(self, result: Record | Failure, stamp: Stamp) -> None:
        """A picture's files, then its rows, so that a row's files are always there.  Raises OSError."""
        stem = self._stems.claim(self._relative(result.source))
        if isinstance(result, Failure):
            problems = [[result.source, result.stage, result.reason]]
            rows, full = failure_row(result), []
        else:
            problems = [[result.source, "read", f"damaged: {result.damage}"]] if result.damage else []
            rows, full = record_row(result, self._options), [full_row(result, self._options.emotion_topk)]
            self._write_files(stem, result)
        each = [[rows], problems, full][: len(self._layouts)]
        self._tables.commit(result.source, stamp, isinstance(result, Record), each)
        self._follow(result.source)

    def _write_files(self, stem: str, record: Record) -> None:
        if self._options.per_image:
            self._per_image.write(f"{stem}.tsv", tsv_text(record))
        if record.landmarks is not None:
            for name in self._options.landmark_formats:
                text = json_text(record.landmarks) if name == "json" else pts_text(record.landmarks)
                self._per_image.write(f"{stem}.landmarks.{name}", text)

    def finish(self) -> None:
        """Let everything reach the disk, in the order of the pictures, the last row of each."""
        self._tables.sync()
        if not self._is_sorted:
            tables.sort_rows(self._folder, self._layouts, sort_key)

    def __enter__(self) -> "RunLogs":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tables.close()


def check_identity(was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise RunError, naming the differences, unless rows of both may stand in one table."""
    was_flat, now_flat = dict(_flat(was)), dict(_flat(now))
    changed = [
        f"{name} was {was_flat.get(name, 'absent')}, is {now_flat.get(name, 'absent')}"
        for name in sorted(was_flat.keys() | now_flat.keys())
        if was_flat.get(name) != now_flat.get(name)
    ]
    if changed:
        raise RunError(
            f"the run there cannot be gone on with: {'; '.join(changed)}: "
            "go back to that, pass --override to start anew, or another --logs"
        )


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


class Stems:
    """Where below per_image/ each picture writes: pictures of different paths never to the same place.

    The first of equal stems keeps the bare stem, the others keep their folder, and where a folder holds two
    of one stem (a.jpg, a.png) the later keeps its suffix as well.
    """

    def __init__(self) -> None:
        self._owners: dict[str, int] = {}

    def claim(self, relative: str) -> str:
        """A picture's path relative to the input folder -> its stem, the same whenever it is asked again."""
        folder, name = os.path.split(relative)
        stem = os.path.splitext(name)[0]
        candidates = (stem, os.path.join(folder, stem), os.path.join(folder, name))
        owner = hash(relative)
        fitted = (_fitted(candidate) for candidate in candidates)
        chosen = next(each for each in fitted if self._owners.get(each, owner) == owner)
        self._owners[chosen] = owner
        return chosen


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
