"""OpenFace 2.2's table: its columns, in its order, for scripts that were written for it.

What is not measured here is blank, so that a script finds every column: intensities (`_r`), action units
besides the eight, points of the iris, points in space, parameters of its face model.  What it does not have
comes behind: the scores of action units (`AUxx_p`), and of pictures `path` and `file`.  Rows come with their
gaze as it was measured, not as the run calls it.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain

from of3.runtime.logs.columns import PLACE, UNITS, Column, Value
from of3.runtime.tables.form import BLANK, Cell, Rearranged, Row, single
from of3.runtime.tables.points68 import POINTS, landmark_cells
from of3.runtime.vision.gaze import gaze_angles_rad, gaze_vector

PRESENT = 0.5  # the least score that counts as presence: what the network was trained and measured with
INTENSITIES = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
PRESENCES = tuple(sorted((*INTENSITIES, 28)))
IRIS_POINTS, SHAPES = 56, 34


def openface2(ours: Sequence[Column], points: int) -> Rearranged:
    """Rows of a video, or of pictures as FeatureExtraction has them of a folder of some (-fdir).

    ours: the columns of the rows that there are.  points: landmarks of a face.
    """
    cells = chain(
        _which(),
        _gaze(),
        _blanks("eye_lmk", "xyXYZ", IRIS_POINTS),
        _pose(points),
        landmark_cells(points),
        _blanks("", "XYZ", POINTS),
        _face_model(),
        _units(),
        ((column, column.name) for column in ours if column in PLACE),
    )
    return Rearranged(ours, list(cells), _more())


def _more() -> dict[str, Callable[[Row], Value]]:
    """What is made of a row, by names of ours."""
    return {
        "number": lambda row: row.frame + 1,
        "whose": lambda row: row["face_id"] or 0,  # as OpenFace 2.2 has it where it has lost its face
        "certainty": lambda row: row["confidence"] if row["success"] else 0.0,
        **{f"gaze {axis}": partial(_vector, place=place) for place, axis in enumerate("xyz")},
        **{f"angle {axis}": partial(_angle_rad, place=place) for place, axis in enumerate("xy")},
        **{f"present {unit}": partial(_is_present, unit=unit) for unit in UNITS},
    }


def _vector(row: Row, place: int) -> Value:
    return gaze_vector(row["gaze_yaw"], row["gaze_pitch"])[place] if row["success"] else None


def _angle_rad(row: Row, place: int) -> Value:
    if not row["success"]:
        return None
    return gaze_angles_rad(gaze_vector(row["gaze_yaw"], row["gaze_pitch"]))[place]


def _is_present(row: Row, unit: int) -> Value:
    score = row[f"AU{unit:02d}"]
    return None if score is None else score >= PRESENT


def _which() -> Iterator[Cell]:
    yield Column("frame", "count", "from 1"), "number"
    yield Column("face_id", "count", ""), "whose"
    yield single("timestamp", 6, "s"), "timestamp"
    yield single("confidence", 4), "certainty"
    yield Column("success", "flag", ""), "success"


def _gaze() -> Iterator[Cell]:
    """Both eyes get the one vector that there is."""
    yield from ((single(f"gaze_{eye}_{axis}", 6), f"gaze {axis}") for eye in (0, 1) for axis in "xyz")
    yield from ((single(f"gaze_angle_{axis}", 4, "rad"), f"angle {axis}") for axis in "xy")


def _blanks(name: str, axes: str, count: int) -> Iterator[Cell]:
    beginning = name and f"{name}_"
    yield from ((single(f"{beginning}{axis}_{number}", 2), BLANK) for axis in axes for number in range(count))


def _pose(points: int) -> Iterator[Cell]:
    """The axes, signs, lengths and angles are OpenFace 2.2's own."""
    for name, decimals in (("T", 2), ("R", 4)):
        for axis in "xyz":
            column = single(f"pose_{name}{axis}", decimals)
            yield column, column.name if points else BLANK


def _face_model() -> Iterator[Cell]:
    names = ("scale", "rx", "ry", "rz", "tx", "ty", *range(SHAPES))
    yield from ((single(f"p_{name}", 4), BLANK) for name in names)


def _units() -> Iterator[Cell]:
    yield from ((single(f"AU{unit:02d}_r", 2), BLANK) for unit in INTENSITIES)
    for unit in PRESENCES:
        yield Column(f"AU{unit:02d}_c", "flag", ""), f"present {unit}"
    yield from ((single(f"AU{unit:02d}_p", 4), f"AU{unit:02d}") for unit in UNITS)
