"""A frame's best face -> a sample of an LSL (Lab Streaming Layer) stream, whose channels say what they are.

Description by LSL's conventions for Gaze and MoCap streams (XDF's meta-data: label, type and unit of each
channel; `normalized` for a share of 1), which know no faces: where they have no word it is the column's group.
"""

import logging
import math
import platform
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from of3.runtime.types import RunError

if TYPE_CHECKING:
    import pylsl

TYPE, FORMAT = "Face", "float32"
# No numbers, and those that LSL's own times of samples stand for, which float32 would spoil.
NOT_SENT = {"timestamp", "time_source", "emotion", "wall_time"}
# fmt: off
KINDS = (  # of columns: their names, LSL's type, unit
    ("frame", "FrameNumber", "none"),
    ("face_id", "ObjectId", "none"),
    ("success|blink", "Flag", "none"),
    ("confidence", "Confidence", "normalized"),
    ("box_[xw]", "ScreenX", "pixels"),
    ("box_[yh]", "ScreenY", "pixels"),
    ("gaze_yaw", "OrientationH", "radians"),
    ("gaze_pitch", "OrientationP", "radians"),
    ("pose_Tx", "PositionX", "millimeters"),
    ("pose_Ty", "PositionY", "millimeters"),
    ("pose_Tz", "PositionZ", "millimeters"),
    ("pose_Rx", "OrientationP", "radians"),
    ("pose_Ry", "OrientationH", "radians"),
    ("pose_Rz", "OrientationR", "radians"),
    ("pose_error_px", "Error", "pixels"),
    (r"emotion_\w+", "Emotion", "normalized"),
    (r"AU\d+", "ActionUnit", "normalized"),
    (r"eye_open_\w+", "EyeOpenness", "normalized"),
    (r"x_\d+", "ScreenX", "pixels"),
    (r"y_\d+", "ScreenY", "pixels"),
    ("latency_ms", "Latency", "milliseconds"),
)
# fmt: on

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Channel:
    label: str  # a column of the table
    kind: str  # LSL's type
    unit: str
    place: int  # of the column in a row


def channels_of(columns: Sequence[str]) -> list[Channel]:
    """The columns of a table that are sent, in their order."""
    return [_channel(name, place) for place, name in enumerate(columns) if name not in NOT_SENT]


def _channel(name: str, place: int) -> Channel:
    kind, unit = next((kind, unit) for names, kind, unit in KINDS if re.fullmatch(names, name))
    return Channel(name, kind, unit, place)


def check_there() -> None:
    """Raise RunError without pylsl, or where that lacks liblsl."""
    try:
        import pylsl  # noqa: F401
    except (ImportError, RuntimeError) as error:
        said = str(error).partition("\n")[0]
        raise RunError(f"--lsl sends by pylsl ({said}): pip install 'of3[live]'") from error


class Outlet:
    """Open: others find the stream by its name, or its source_id, which is the same when it is run again."""

    def __init__(self, name: str, source: str, columns: Sequence[str]):
        """source: where the faces come from.  columns: of the rows to come."""
        import pylsl

        self.channels = channels_of(columns)
        self.source_id = f"of3 {source} on {platform.node()}"
        info = pylsl.StreamInfo(
            name, TYPE, len(self.channels), pylsl.IRREGULAR_RATE, FORMAT, source_id=self.source_id
        )
        info.set_channel_labels([channel.label for channel in self.channels])
        info.set_channel_types([channel.kind for channel in self.channels])
        info.set_channel_units([channel.unit for channel in self.channels])
        self._describe(info, source)
        self._outlet = pylsl.StreamOutlet(info)
        self._now_s = pylsl.local_clock
        log.info("LSL: stream %s, type %s, %d channels", name, TYPE, len(self.channels))

    def _describe(self, info: "pylsl.StreamInfo", source: str) -> None:
        description = info.desc()
        made = description.append_child("acquisition")
        made.append_child_value("manufacturer", "of3").append_child_value("model", "OpenFace 3.0")
        description.append_child("setup").append_child_value("name", source)
        timing = description.append_child("synchronization")
        timing.append_child_value("can_drop_samples", "true")

    def push(self, row: Sequence[str], grabbed_s: float) -> None:
        """row: of a table of the columns; what is empty in it is NaN.  grabbed_s: when its frame was, by
        `time.monotonic`, whose clock is not LSL's everywhere."""
        cells = (row[channel.place] for channel in self.channels)
        age_s = time.monotonic() - grabbed_s
        self._outlet.push_sample([float(cell) if cell else math.nan for cell in cells], self._now_s() - age_s)
