"""A video's faces, frame after frame -> whose they are, where the heads point, whether the eyes blink.

All of it follows from the frames so far, in their order: gone through again, records that were kept give the
same numbers as when they were new.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from of3.runtime.settings import check, is_number
from of3.runtime.tracks.tracker import Tracker
from of3.runtime.types import Record
from of3.runtime.vision.derived import Derived, derived
from of3.runtime.vision.eyes import Blinks
from of3.runtime.vision.lens import Lens, camera_of
from of3.runtime.vision.pose import MOST, Camera, HeadPose
from of3.runtime.vision.smoothing import OneEuro, Smoothed, Values

HEAD_MM = 150.0  # wide: what a head that moves fast goes in a second, as the filter counts


@dataclass(frozen=True, slots=True)
class Following:
    """How faces are followed.  camera: a Lens where frames may differ in size, None for no head poses."""

    gap_s: float = 1.0  # a face that was away for longer is a new one; who is in the frame before was not away
    smooth_s: float = 0.0  # time constant of the one-euro filter, 0 for none
    camera: Camera | Lens | None = None

    def __post_init__(self) -> None:
        """Raises SettingsError."""
        for name in ("gap_s", "smooth_s"):
            check(self, name, is_number(getattr(self, name), 0, MOST), "seconds from 0 on")
        check(self, "camera", isinstance(self.camera, Camera | Lens | None), "a Camera, or None")


@dataclass(frozen=True, slots=True, eq=False)
class FollowedFace:
    """A face of a frame, as one of the video's."""

    face_id: int  # from 0 on, in the order of appearance
    record: Record  # its box, landmarks and gaze smoothed, where that was asked for
    found: Derived  # of the landmarks as they were found; its pose smoothed, where that was asked for
    is_blink: bool = False
    camera: Camera | None = None  # by which its head has its pose


@dataclass(frozen=True, slots=True, eq=False)
class _Person:
    """What is remembered of one."""

    blinks: Blinks = field(default_factory=Blinks)
    smoothed: dict[str, Smoothed] = field(default_factory=dict)


class Follower:
    """Of one video.  Remembers who can come again, and nobody else."""

    def __init__(self, following: Following):
        self._following = following
        self._tracker = Tracker(following.gap_s)
        self._people: dict[int, _Person] = {}
        self.tracked: int = 0  # people so far

    def after(self, time_s: float, records: Sequence[Record], is_cut: bool = False) -> list[FollowedFace]:
        """The faces of the next frame, by id.  is_cut: another scene begins with it.

        Raises ValueError: the time is not after the last frame's, or a record has no box.
        """
        boxes = [record.box for record in records]
        if None in boxes:
            raise ValueError("got a record without a box, want those of a pipeline that detects")
        ids = self._tracker.ids([box for box in boxes if box], time_s, is_cut)
        self.tracked = max([self.tracked, *(face_id + 1 for face_id in ids)])
        known = self._tracker.known
        self._people = {one: who for one, who in self._people.items() if one in known}
        return [self._face(*each, time_s) for each in sorted(zip(ids, records, strict=True), key=_by_id)]

    def _face(self, face_id: int, record: Record, time_s: float) -> FollowedFace:
        person = self._people.get(face_id, _Person())
        camera = camera_of(record, self._following.camera)
        found = derived(record.landmarks, camera)
        blinks = person.blinks if found.eyes is None else person.blinks.after(time_s, found.eyes)
        face = FollowedFace(face_id, record, found, found.eyes is not None and blinks.is_blink, camera)
        smoothed = person.smoothed
        if self._following.smooth_s:
            smoothed = _smoothed(OneEuro(self._following.smooth_s), smoothed, face, time_s)
            face = _steadied(face, {name: each.values for name, each in smoothed.items()})
        self._people[face_id] = _Person(blinks, smoothed)
        return face


def _by_id(face: tuple[int, Record]) -> int:
    return face[0]


def _smoothed(
    filtering: OneEuro, before: dict[str, Smoothed], face: FollowedFace, time_s: float
) -> dict[str, Smoothed]:
    """What is smoothed of a face; of what it lacks in this frame, what there was before."""
    smoothed = dict(before)
    for name, (values, unit) in _numbers(face).items():
        if name in before:
            smoothed[name] = filtering.after(before[name], time_s, values, unit)
        else:
            smoothed[name] = filtering.first(time_s, values)
    return smoothed


def _numbers(face: FollowedFace) -> dict[str, tuple[Values, float]]:
    """What can be smoothed of a face, by name, each with what it changes by in a second of fast movement."""
    box, landmarks = np.array(face.record.box, np.float64), face.record.landmarks
    width_px = max(float(box[2] - box[0]), 1.0)
    numbers = {"box": (box, width_px), "gaze": (np.array(list(face.record.gaze_rad.values())), 1.0)}
    if landmarks is not None:
        numbers["landmarks"] = (landmarks.astype(np.float64), width_px)
    if face.found.pose is not None:
        numbers["translation"] = (np.array(face.found.pose.translation_mm), HEAD_MM)
        numbers["rotation"] = (np.array(face.found.pose.rotation_rad), 1.0)
    return numbers


def _steadied(face: FollowedFace, values: dict[str, Values]) -> FollowedFace:
    """The face with the numbers that came out of the filter."""
    record, pose = face.record, face.found.pose
    x1, y1, x2, y2 = values["box"].tolist()
    gaze_rad = dict(zip(record.gaze_rad, values["gaze"].tolist(), strict=True))
    landmarks = None if record.landmarks is None else values["landmarks"].astype(np.float32)
    record = replace(record, box=(x1, y1, x2, y2), gaze_rad=gaze_rad, landmarks=landmarks)
    if pose is not None:
        (tx, ty, tz), (rx, ry, rz) = values["translation"].tolist(), values["rotation"].tolist()
        pose = HeadPose((tx, ty, tz), (rx, ry, rz), pose.error_px)
    return replace(face, record=record, found=replace(face.found, pose=pose))
