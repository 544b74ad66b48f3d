"""A video's faces over time, each a line: the least and the most of so many frames, so that no peak is lost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import degrees, isnan, nan
from typing import Any

import numpy as np

from of3.runtime.logs.columns import EMOTIONS, UNITS
from of3.runtime.tracks.follower import FollowedFace
from of3.runtime.tracks.watched import WatchedFrame
from of3.runtime.vision.derived import derived
from of3.runtime.vision.lens import Lens, camera_of
from of3.runtime.vision.pose import Camera, HeadPose

GAZE, POSE = ("gaze yaw", "gaze pitch"), ("Rx", "Ry", "Rz")  # degrees
CHANNELS = (
    *(f"AU{unit:02d}" for unit in UNITS),
    *EMOTIONS,
    *GAZE,
    *POSE,
    "confidence",
)
MOST_FACES = 8  # of a video, those seen most


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """Frames that follow each other, of a face."""

    number: int  # which part of the video
    time_s: float  # when it begins
    low: Sequence[float]  # as CHANNELS; NaN where nothing is known
    high: Sequence[float]


@dataclass(slots=True)
class Line:
    """Of a face."""

    rows: int = 0  # frames that it is in
    first_s: float = 0.0
    last_s: float = 0.0
    blinks_s: list[tuple[float, float]] = field(default_factory=list)  # from, to
    points: list[Point] = field(default_factory=list)
    is_blink: bool = False
    open: list[list[float]] = field(default_factory=list)  # frames of the part that is not over
    number: int = -1  # which it is
    time_s: float = 0.0

    def add(self, number: int, time_s: float, values: list[float], is_blink: bool) -> None:
        """number: of the part that the frame is in."""
        if number != self.number:
            self.end()
            self.number, self.time_s = number, time_s
        self.open.append(values)
        self.first_s = self.first_s if self.rows else time_s
        self.rows, self.last_s = self.rows + 1, time_s
        if is_blink and self.is_blink:
            self.blinks_s[-1] = self.blinks_s[-1][0], time_s
        elif is_blink:
            self.blinks_s.append((time_s, time_s))
        self.is_blink = is_blink

    def end(self) -> None:
        """The part is over."""
        if self.open:
            values = np.array(self.open)
            low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
            self.points.append(Point(self.number, self.time_s, low.tolist(), high.tolist()))
        self.open = []


@dataclass(slots=True)
class Lines:
    """Of a video.

    step: frames of a part.  every: of how many faces the pose of one is measured here, by `camera`; 0: of none.
    """

    step: int
    every: int = 0
    camera: Camera | Lens | None = None
    frames: int = 0
    seen: int = 0
    moments: list[tuple[int, float]] = field(default_factory=list)  # frame and time of each part
    faces: dict[int, Line] = field(default_factory=dict)

    def add(self, frame: WatchedFrame) -> None:
        """The next one."""
        number, time_s = self.frames // self.step, frame.moment.time_s
        if self.frames % self.step == 0:
            self.moments.append((frame.moment.frame, time_s))
        self.frames += 1
        for face in frame.faces:
            self.seen += 1
            line = self.faces.setdefault(face.face_id, Line())
            line.add(number, time_s, values_of(face, self._pose(face)), face.is_blink)

    def _pose(self, face: FollowedFace) -> HeadPose | None:
        if face.found.pose is None and self.every and self.seen % self.every == 0:
            return derived(face.record.landmarks, camera_of(face.record, self.camera)).pose
        return face.found.pose

    def end(self) -> None:
        """The video is over."""
        for line in self.faces.values():
            line.end()

    @property
    def end_s(self) -> float:
        """When the last face was seen."""
        return max((line.last_s for line in self.faces.values()), default=0.0)

    @property
    def size(self) -> int:
        """Points that the page holds of it."""
        return sum(len(self.faces[face_id].points) for face_id in self.shown)

    @property
    def shown(self) -> list[int]:
        """Faces that have a line, by id: those seen most."""
        return sorted(sorted(self.faces, key=lambda face_id: -self.faces[face_id].rows)[:MOST_FACES])

    def columns(self) -> dict[str, list[Any]]:
        """`t`, `face`, each channel's least, and its most as `<channel>_to`; null where a line is broken."""
        points = [(face_id, point) for face_id in self.shown for point in _broken(self.faces[face_id].points)]
        low = [[_short(value) for value in point.low] for _, point in points]
        high = [[_short(value) for value in point.high] for _, point in points]
        return {
            "t": [round(point.time_s, 3) for _, point in points],
            "face": [str(face_id) for face_id, _ in points],
            **{name: [values[at] for values in low] for at, name in enumerate(CHANNELS)},
            **{f"{name}_to": [values[at] for values in high] for at, name in enumerate(CHANNELS)},
        }


def values_of(face: FollowedFace, pose: HeadPose | None) -> list[float]:
    """As CHANNELS."""
    record = face.record
    return [
        *(record.aus.get(unit, nan) for unit in UNITS),
        *(record.probabilities.get(label, nan) for label in EMOTIONS),
        *(degrees(record.gaze_rad[name]) for name in ("yaw", "pitch")),
        *((nan,) * 3 if pose is None else map(degrees, pose.rotation_rad)),
        nan if record.confidence is None else record.confidence,
    ]


def _broken(points: Sequence[Point]) -> Iterator[Point]:
    """With one that knows nothing where a face was away."""
    unknown = (nan,) * len(CHANNELS)
    for index, point in enumerate(points):
        if index and point.number > points[index - 1].number + 1:
            yield Point(point.number - 1, points[index - 1].time_s, unknown, unknown)
        yield point


def _short(value: float) -> float | None:
    if isnan(value):
        return None
    return round(value, 3) if abs(value) < 10 else round(value, 1)
