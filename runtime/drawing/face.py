"""What is drawn of a face, before it is painted: lines, axes, an arrow, a label, in pixels of the picture."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from of3.runtime.drawing.contours import ORDERS, Line, lines_of
from of3.runtime.drawing.gaze import GazeNames
from of3.runtime.types import Floats, Record
from of3.runtime.vision.canonical_face import FACE_MM, POINTS
from of3.runtime.vision.derived import Derived
from of3.runtime.vision.pose import Camera, HeadPose, projected

Points = NDArray[np.float64]

NOSE_TIP_MM: Points = FACE_MM[POINTS.index(54)]
AXIS_MM = 60.0  # less than half a head's width: they stay on the face
# The ends of the axes, as the picture of an unturned head shows them: to its right, down, and out of the face.
AXES_MM: Points = NOSE_TIP_MM + AXIS_MM * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, -1]], np.float64)
LEAST_MM = 1.0  # before the camera: what is nearer has no place in the picture
EYES = 1 / 3  # of a box's height, where there are no landmarks


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """title: in one line.  bars: name and height in [0, 1] of each."""

    title: str
    bars: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class DrawnFace:
    number: int  # whose colour it has
    box_px: tuple[float, float, float, float]  # x1, y1, x2, y2: all of the picture, where that is the face
    is_framed: bool  # whether the box is drawn
    lines: tuple[Line, ...]
    dots_px: Floats  # (N,2): pupils; all landmarks, where nobody knows what they are
    axes_px: Points  # (4,2): the tip of the nose, the ends of the head's x, y and of where it faces; or (0,2)
    arrow_px: Points  # (2,2): from between the eyes, to where they look; or (0,2)
    label: Label

    @property
    def side_px(self) -> float:
        """How large it is: lines and letters follow that."""
        x1, y1, x2, y2 = self.box_px
        return max((x2 - x1 + y2 - y1) / 2, 1.0)


def drawn_face(
    record: Record,
    found: Derived,
    camera: Camera | None,
    number: int,
    size_px: tuple[int, int],
    gaze: GazeNames | None,
) -> DrawnFace:
    """found: of its landmarks.  camera: of its pose.  number: the face's id.  size_px: of the picture.

    gaze: None for no arrow.
    """
    is_framed = record.box is not None and bool(np.isfinite(record.box).all())
    box = record.box if record.box and is_framed else (0.0, 0.0, float(size_px[0]), float(size_px[1]))
    landmarks = np.empty((0, 2), np.float32) if record.landmarks is None else record.landmarks
    landmarks = landmarks if np.isfinite(landmarks).all() else landmarks[:0]
    order = ORDERS.get(len(landmarks))
    face = DrawnFace(
        number=number,
        box_px=box,
        is_framed=is_framed,
        lines=() if order is None else lines_of(landmarks, order),
        dots_px=landmarks if order is None else landmarks[list(order.dots)],
        axes_px=_axes(found.pose, camera),
        arrow_px=np.empty((0, 2)),
        label=Label(f"#{number} {_title(record)}", _bars(record.aus)),
    )
    if gaze is None:
        return face
    eyes = _box_eyes(box) if order is None else landmarks[order.between_eyes].mean(axis=0).tolist()
    return _looking(face, eyes, gaze.direction(record.gaze_rad))


def _looking(face: DrawnFace, eyes_px: tuple[float, float], direction: tuple[float, float, float]) -> DrawnFace:
    """With its arrow: as long as the face is large, seen from the camera."""
    tail = np.array(eyes_px, np.float64)
    arrow = np.stack([tail, tail + face.side_px * np.array(direction[:2])])
    return replace(face, arrow_px=arrow if np.isfinite(arrow).all() else arrow[:0])


def _box_eyes(box: tuple[float, float, float, float]) -> tuple[float, float]:
    """Where the eyes are as a rule: in the middle of the box's upper third's end."""
    x1, y1, x2, y2 = box
    return (x1 + x2) / 2, y1 + (y2 - y1) * EYES


def _axes(pose: HeadPose | None, camera: Camera | None) -> Points:
    """(4,2), or (0,2) where there is no pose, or one of a head that is not before the camera."""
    if pose is None or camera is None or pose.translation_mm[2] - np.linalg.norm(AXES_MM[3]) < LEAST_MM:
        return np.empty((0, 2))
    points = projected(AXES_MM, pose, camera)
    return points if np.isfinite(points).all() else points[:0]


def _title(record: Record) -> str:
    probability = record.probabilities.get(record.emotion, math.nan)
    return f"{record.emotion} {probability:.0%}" if math.isfinite(probability) else record.emotion


def _bars(aus: Mapping[int, float]) -> tuple[tuple[str, float], ...]:
    return tuple((str(unit), min(max(score, 0.0), 1.0)) for unit, score in aus.items() if math.isfinite(score))
