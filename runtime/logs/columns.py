"""What a column of a table is: its name, its kind, its unit; and the columns of every table.

One definition for the text tables, for Parquet's schema and for what reads either.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

# What stands in it.  flag: 1 or 0; word: one of a few; single: no more digits than a network's float32 has.
Kind = Literal["text", "word", "count", "flag", "single", "double"]
Value = str | int | float | bool | None  # None where it is not known


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: Kind
    text: str  # what it is
    unit: str = ""
    decimals: int = 0  # in text
    is_always: bool = False  # whether every row has it

    @property
    def format(self) -> str:
        """Of printf, for text."""
        if self.kind in ("text", "word"):
            return "%s"
        return f"%.{self.decimals}f" if self.kind in ("single", "double") else "%d"


def names_of(columns: Iterable[Column]) -> tuple[str, ...]:
    return tuple(column.name for column in columns)


def texts(columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> Iterator[list[str]]:
    """Values of these columns -> cells; what is not known is blank."""
    formats = [column.format for column in columns]
    for row in rows:
        yield ["" if value is None else form % value for form, value in zip(formats, row, strict=True)]


def legible(name: str) -> str:
    """A name that is not UTF-8 as text that is: byte 0xff as the four characters \\xff."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _singles(text: str, unit: str, decimals: int, *names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "single", text, unit, decimals) for name in names)


EMOTIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
UNITS = (1, 2, 4, 6, 9, 12, 25, 26)
SUCCESS = Column("success", "flag", "whether the row has a face", is_always=True)
EMOTION = Column("emotion", "word", "the most probable emotion")
CONFIDENCE = Column("confidence", "single", "of the face box", "probability", 4)
GAZE = _singles("gaze, not the head's pose", "rad", 3, "pose_yaw", "pose_pitch")

PLACE = (
    Column("path", "text", "the picture, as found under --aligned", is_always=True),
    Column("file", "text", "its base name", is_always=True),
)
VIDEO = Column("video", "text", "absolute path of the video", is_always=True)
MOMENT = (
    Column("frame", "count", "number of the frame in the order shown, from 0", is_always=True),
    Column("timestamp", "double", "since the video stream's start", "s", 6, is_always=True),
    Column("time_source", "word", "where the timestamp is from: pts, sorted, rate, given", is_always=True),
)
FACE = (
    Column("face_id", "count", "of a picture: rank by confidence; of a video: whose face it is"),
    CONFIDENCE,
    SUCCESS,
    *_singles("left and upper edge of the face box", "px", 2, "box_x", "box_y"),
    *_singles("width and height of the face box", "px", 2, "box_w", "box_h"),
    *_singles("gaze", "rad", 4, "gaze_yaw", "gaze_pitch"),
    *_singles("where the head is, in the camera's axes", "mm", 2, "pose_Tx", "pose_Ty", "pose_Tz"),
    *_singles("how the head is turned, R = Rx Ry Rz", "rad", 4, "pose_Rx", "pose_Ry", "pose_Rz"),
    *_singles("how far the landmarks are from the mean head's", "px", 2, "pose_error_px"),
    EMOTION,
    *_singles("softmax", "probability", 4, *(f"emotion_{label}" for label in EMOTIONS)),
    *_singles("presence of the action unit", "score in [0,1]", 4, *(f"AU{unit:02d}" for unit in UNITS)),
    *_singles("eye aspect ratio", "ratio", 4, "eye_open_left", "eye_open_right"),
    Column("blink", "flag", "whether the eyes are in a blink"),
)
LIVE = (  # behind the columns of a video
    Column(
        "latency_ms",
        "double",
        "from when the frame was decoded to when its rows are written",
        "ms",
        1,
        is_always=True,
    ),
    Column("wall_time", "double", "when the frame was decoded, since 1970", "s", 6, is_always=True),
)
BEST = (  # openface3.csv
    *PLACE,
    *GAZE,
    Column("eyes", "word", "open or closed"),
    Column("mouth", "word", "open or closed, by AU25 and AU26"),
    Column("smile", "word", "smile or neutral, by AU12"),
    Column("teeth", "word", "likely where the mouth smiles and is open"),
    EMOTION,
    *_singles("softmax of the emotion", "probability", 4, "emotion_conf"),
    *_singles("presence of the action unit", "score in [0,1]", 4, "au12", "au25", "au26", "au45"),
    CONFIDENCE,
    SUCCESS,
)
FULL = (  # openface3_full.csv
    *PLACE,
    *GAZE,
    Column("emotion_topk", "text", "most probable emotions, label:probability"),
    *_singles("presence of the action unit", "score in [0,1]", 4, *(f"au{unit}" for unit in UNITS)),
)
BOX = (  # openface3_boxes.csv
    PLACE[0],
    Column("faces", "count", "found in the picture", is_always=True),
    Column("face", "count", "which of them was taken, by confidence", is_always=True),
    *_singles("the face box", "px", 2, "x", "y", "w", "h"),
    CONFIDENCE,
    *_singles(
        "the detector's point",
        "px",
        2,
        *(
            f"{point}_{axis}"
            for point in ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
            for axis in "xy"
        ),
    ),
)
TOLD = (  # errors.tsv
    PLACE[0],
    Column("stage", "word", "where it failed", is_always=True),
    Column("reason", "text", "why", is_always=True),
)


@cache
def face_columns(points: int) -> tuple[Column, ...]:
    """Of a face.  points: landmarks of it, 0 where they do not run."""
    return (*FACE, *(_landmark(f"{axis}_{number}") for axis in "xy" for number in range(points)))


def _landmark(name: str) -> Column:
    return Column(name, "single", "landmark", "px", 2)


def known_column(name: str) -> Column | None:
    """The column of a name, whichever table it is in; None where it is not one of ours."""
    axis, _, number = name.partition("_")
    if axis in ("x", "y") and number.isdecimal():
        return _landmark(name)
    return _known().get(name)


@cache
def _known() -> dict[str, Column]:
    tables = (BEST, FULL, BOX, TOLD, (VIDEO,), MOMENT, FACE, LIVE)
    return {column.name: column for table in tables for column in table}
