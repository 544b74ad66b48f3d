"""Heads that nobody has, with all their landmarks, seen from where one likes."""

import math

import numpy as np
import pytest

from of3.runtime.types import RawValues, Record
from of3.runtime.vision.canonical_face import FACE_MM, POINTS
from of3.runtime.vision.pose import Camera, HeadPose, projected

EMOTIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
UNITS = (1, 2, 4, 6, 9, 12, 25, 26)


def head_mm():
    """(98,3) WFLW landmarks: the mean head's where it has them, about them curves as those of a face."""
    head = np.zeros((98, 3))
    turn = np.linspace(0, math.pi, 33)
    head[:33] = np.stack([-68 * np.cos(turn), -15 + 105 * np.sin(turn), 10 - 55 * np.sin(turn)], axis=1)
    head[list(POINTS)] = FACE_MM
    for first, left in ((33, -48.0), (42, 12.0)):
        upper = [(left + 9 * step, -44 - 6 * math.sin(step * 0.8), -45) for step in range(5)]
        lower = [(left + 4 + 9 * step, -38 - 5 * math.sin(step * 0.8), -45) for step in range(4)][::-1]
        head[first : first + 9] = upper + lower
    for first in (60, 68):
        start, end = head[first], head[first + 4]
        for step, high in ((1, -5), (2, -6.5), (3, -5)):
            head[first + step] = start + (end - start) * step / 4 + (0, high, 0)
            head[first + 8 - step] = start + (end - start) * step / 4 + (0, -high, 0)
    for first, count, wide, high in ((76, 12, 25, 10), (88, 8, 18, 4)):
        round_ = np.linspace(math.pi, 3 * math.pi, count, endpoint=False)
        head[first : first + count] = np.stack(
            [wide * np.cos(round_), 45 + high * np.sin(round_), np.full(count, -52.0)], axis=1
        )
    head[96], head[97] = head[[60, 64]].mean(axis=0), head[[68, 72]].mean(axis=0)
    return head


@pytest.fixture(scope="session")
def seen():
    return record_of


def record_of(
    size_px=(1280, 720),
    at_mm=(0.0, 0.0, 700.0),
    turned_rad=(0.0, 0.0, 0.0),
    gaze_rad=(0.0, 0.0),
    has_landmarks=True,
    emotion="happy",
):
    """A head before the usual camera of a picture of this size.  gaze_rad: yaw, pitch."""
    pose = HeadPose(at_mm, turned_rad, 0.0)
    points = projected(head_mm(), pose, Camera.of(*size_px)).astype(np.float32)
    (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    shares = dict.fromkeys(EMOTIONS, 0.02) | {emotion: 0.86}
    aus = {unit: (index + 1) / 8.5 for index, unit in enumerate(UNITS)}
    raw = RawValues(
        np.zeros(8, np.float32), np.array(gaze_rad, np.float32), np.array([*aus.values()], np.float32)
    )
    return Record(
        source="made up",
        emotion=emotion,
        probabilities=shares,
        gaze_rad=dict(zip(("yaw", "pitch"), gaze_rad, strict=True)),
        aus=aus,
        raw=raw,
        box=(x1, y1, x2, y2),
        confidence=0.99,
        landmarks=points if has_landmarks else None,
        faces=1,
        size_px=size_px,
    )
