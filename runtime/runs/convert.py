"""The records of a log folder as tables that other programs read: no picture is read and no network run."""

import importlib.metadata
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from of3.runtime.logs.columns import Column, Value
from of3.runtime.logs.made import OutputNames
from of3.runtime.logs.opening import is_there, make_folders, make_place, refuse_shared
from of3.runtime.runs.progress import counting_bar
from of3.runtime.runs.reading import held, log_folder, recorded_parts
from of3.runtime.tables.form import Form
from of3.runtime.tables.libraries import library
from of3.runtime.tables.long import Long
from of3.runtime.tables.openface2 import openface2
from of3.runtime.tables.parquet import made_in, write_parquet
from of3.runtime.tables.parts import Group, Part, groups_of
from of3.runtime.tables.pyfeat import pyfeat
from of3.runtime.tables.text import has_columns, write_text
from of3.runtime.types import RunError

CONVERTED = "converted"  # folder in `<logs>/openface3`
PARQUET = "parquet"
SEPARATORS = {"comma": "", "comma_space": " "}  # what stands behind a comma
FORMS: Mapping[str, Callable[[Sequence[Column], int], Form]] = {
    "openface2": openface2,
    "pyfeat": pyfeat,
    "long": lambda columns, points: Long(columns),
}
AS_MEASURED = ("openface2", "pyfeat")  # whose gaze says where somebody looks; ours say what the run's do
CONFIDENCE = {"openface2": "confidence", "pyfeat": "FaceScore"}
APART = ("openface2",)  # a table for each video, as its own program writes them

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Conversion:
    """to: "parquet", or one of FORMS.  out: folder for the tables; None: `<logs>/openface3/converted/<to>`."""

    logs: Path  # log root, or its `openface3`
    to: str
    out: Path | None = None
    separator: str = "comma"

    def place_of(self, folder: Path, group: Group) -> Path:
        """Where a table is written; the folders to it are there then.  folder: `<logs>/openface3`."""
        top = folder if self.out is None else self.out
        if self.out is not None:
            make_place(self.out)
        below = Path(CONVERTED, self.to) if self.out is None else Path()
        place = top / below / f"{group.stem}{'.parquet' if self.to == PARQUET else '.csv'}"
        make_folders(top, place)
        refuse_shared(place)
        return place


def convert(asked: Conversion) -> None:
    """Write the tables.

    Raises RunError: no records, damaged, a run at work, an extra is missing, or something else stands in a
    table's place; OSError.
    """
    if asked.to == PARQUET:
        library("pyarrow.parquet")
    folder = log_folder(asked.logs)
    with held(folder) as how:
        parts = recorded_parts(folder, how)
        for part in parts:
            if not part.is_finished:
                log.warning("%s: not finished: its rows so far are converted", part.path or part.stem or folder)
        groups = groups_of(parts, asked.to in APART)
        naming = OutputNames.as_named
        if asked.to in AS_MEASURED:
            naming = OutputNames.as_measured
            _say_exchanged(asked, parts)
        places = [asked.place_of(folder, group) for group in groups]
        if len(set(places)) < len(places):
            raise RunError(f"{places[0]}: is of the pictures and of a video: move one of them to other --logs")
        with counting_bar(sum(part.total for part in parts)) as shown:
            for group, place in zip(groups, places, strict=True):
                _write(asked, place, group, group.rows(how, naming, shown))
    _say_lacking(asked, groups)
    _say_unsure(asked, parts)


def _write(asked: Conversion, place: Path, group: Group, rows: Iterable[Sequence[Value]]) -> None:
    if asked.to == PARQUET:
        if is_there(place) and not made_in(place):
            raise _taken(place)
        made = {"of3": importlib.metadata.version("of3"), "identities": group.identities}
        write_parquet(place, group.columns, rows, made)
    else:
        form = FORMS[asked.to](group.columns, group.points)
        if not has_columns(place, form):
            raise _taken(place)
        write_text(place, form, rows, SEPARATORS[asked.separator])
    log.info("written: %s", place)


def _taken(place: Path) -> RunError:
    return RunError(f"{place}: is there and not of3's: move it away, or pass another --out")


def _say_exchanged(asked: Conversion, parts: Sequence[Part]) -> None:
    if any(part.is_exchanged for part in parts):
        log.warning(
            "%s: gaze as the mirror test found it: yaw is what the run's own tables call pitch, and pitch yaw "
            "(a run with --gaze_order measured names them so too)",
            asked.to,
        )


def _say_lacking(asked: Conversion, groups: Sequence[Group]) -> None:
    """What another program's table has and nobody measures here, once for all tables."""
    if asked.to not in FORMS:
        return
    forms = (FORMS[asked.to](group.columns, group.points) for group in groups)
    lacking = dict.fromkeys(name for form in forms for name in form.lacking)
    if lacking:
        log.warning("%s: not measured, blank or left out: %s", asked.to, ", ".join(in_ranges(lacking)))


def _say_unsure(asked: Conversion, parts: Sequence[Part]) -> None:
    """Scripts for other programs begin by leaving out the faces that these are not sure of."""
    if asked.to in CONFIDENCE and any(not part.has_confidence for part in parts):
        log.warning(
            "%s: %s is blank where no detector ran (--skip_detect on): scripts that filter by it drop every "
            "such row",
            asked.to,
            CONFIDENCE[asked.to],
        )


def in_ranges(names: Iterable[str]) -> list[str]:
    """Names that end in numbers that follow each other as one: x_0 to x_67."""
    found: list[tuple[str, str]] = []  # the first and the last of each
    for name in names:
        beginning, _, number = name.rpartition("_")
        before = found[-1][1] if found else ""
        if number.isdecimal() and before == f"{beginning}_{int(number) - 1}":
            found[-1] = found[-1][0], name
        else:
            found.append((name, name))
    return [first if first == last else f"{first} to {last}" for first, last in found]
