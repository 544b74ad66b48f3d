"""py-feat's table: the names of a Fex, which `feat.utils.io.read_feat` reads.

Left out are the action units that are not measured here, since a Fex takes those that it finds; `contempt`,
which py-feat has not, comes behind its emotions.  Angles are in radians and lengths in mm, by our axes.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from of3.runtime.logs.columns import UNITS, Column, Value
from of3.runtime.tables.form import BLANK, Cell, Rearranged, Row, single
from of3.runtime.tables.points68 import landmark_cells

UNMEASURED = tuple(f"AU{unit:02d}" for unit in (5, 7, 10, 11, 14, 15, 17, 20, 23, 24, 28, 43))
EMOTIONS = {
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprise": "surprise",
    "neutral": "neutral",
    "contempt": "contempt",
}


def pyfeat(ours: Sequence[Column], points: int) -> Rearranged:
    """ours: the columns of the rows that there are.  points: landmarks of a face."""
    cells = chain(_which(), _box(), landmark_cells(points), _pose(points), _scores(), _gaze())
    return Rearranged(ours, list(cells), _more(), UNMEASURED)


def _more() -> dict[str, Callable[[Row], Value]]:
    return {
        "number": lambda row: row.frame,
        "source": lambda row: row["path"] or row["video"],
        "minutes": lambda row: _minutes(row["timestamp"]),
    }


def _minutes(time_s: float | None) -> str | None:
    return None if time_s is None else f"{int(time_s) // 60:02d}:{int(time_s) % 60:02d}"


def _which() -> Iterator[Cell]:
    yield Column("input", "text", ""), "source"
    yield Column("frame", "count", "from 0"), "number"
    yield Column("approx_time", "text", "minutes and seconds"), "minutes"


def _box() -> Iterator[Cell]:
    for theirs, name in (("X", "x"), ("Y", "y"), ("Width", "w"), ("Height", "h")):
        yield single(f"FaceRect{theirs}", 2, "px"), f"box_{name}"
    yield single("FaceScore", 4), "confidence"


def _pose(points: int) -> Iterator[Cell]:
    for theirs, name in (("Pitch", "Rx"), ("Roll", "Rz"), ("Yaw", "Ry")):
        yield single(theirs, 4, "rad"), f"pose_{name}" if points else BLANK
    yield from ((single(axis.upper(), 2, "mm"), f"pose_T{axis}" if points else BLANK) for axis in "xyz")


def _scores() -> Iterator[Cell]:
    yield from ((single(f"AU{unit:02d}", 4), f"AU{unit:02d}") for unit in UNITS)
    yield from ((single(theirs, 4), f"emotion_{label}") for theirs, label in EMOTIONS.items())


def _gaze() -> Iterator[Cell]:
    yield from ((single(f"gaze_{name}", 4, "rad"), f"gaze_{name}") for name in ("pitch", "yaw"))
