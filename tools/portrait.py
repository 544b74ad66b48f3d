"""The picture of the README: two faces drawn from nothing, with what `of3 draw` draws onto photographs.

No photograph is ours to show.  The heads are the mean head's landmarks with curves about them, seen by a
camera; skin and hair are painted here, boxes, landmarks, axes, arrows and labels by `of3.runtime.drawing`.
"""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from of3.runtime.drawing.face import drawn_face
from of3.runtime.drawing.gaze import GazeNames
from of3.runtime.drawing.paint import paint
from of3.runtime.types import Pixels, RawValues, Record
from of3.runtime.vision.canonical_face import FACE_MM, POINTS
from of3.runtime.vision.derived import derived
from of3.runtime.vision.gaze import gaze_vector
from of3.runtime.vision.pose import Camera, HeadPose, projected

Points = NDArray[np.float64]
Point = tuple[float, float, float]
Colour = tuple[int, int, int]  # BGR

SIZE_PX = (900, 500)
FINER = 2  # it is painted so many times as large, and made smaller
IRIS_MM = 5.5
WHITE: Colour = (238, 240, 242)
HAIR_ENDS_MM = np.array([(80, 60, 40), (60, 80, 50), (-60, 80, 50), (-80, 60, 40)])
NECK_MM = np.array([(-38, 50, 50), (-42, 138, 50), (0, 160, 50), (42, 138, 50), (38, 50, 50)])
SHOULDERS_MM = np.array(
    [(-44, 128, 60), (-150, 172, 60), (-180, 420, 60), (180, 420, 60), (150, 172, 60), (44, 128, 60)]
)


@dataclass(frozen=True, slots=True)
class Person:
    """at_mm, turned_rad: of the head, as of a pose.  smile, open: of the mouth, in [0, 1]."""

    at_mm: Point
    turned_rad: Point
    gaze_rad: tuple[float, float]  # yaw, pitch
    smile: float
    open: float
    emotion: str
    shares: Mapping[str, float]
    aus: Mapping[int, float]
    skin: Colour
    hair: Colour
    shirt: Colour


PEOPLE = (
    Person(
        at_mm=(-150, -42, 610),
        turned_rad=(0.04, -0.30, -0.06),
        gaze_rad=(-0.32, -0.04),
        smile=1.0,
        open=0.75,
        emotion="happy",
        shares={"happy": 0.87, "neutral": 0.08, "surprise": 0.05},
        aus={1: 0.08, 2: 0.06, 4: 0.03, 6: 0.71, 9: 0.05, 12: 0.93, 25: 0.88, 26: 0.41},
        skin=(150, 184, 224),
        hair=(38, 52, 84),
        shirt=(150, 104, 66),
    ),
    Person(
        at_mm=(150, -22, 640),
        turned_rad=(-0.06, 0.34, 0.08),
        gaze_rad=(0.42, 0.10),
        smile=0.15,
        open=0.05,
        emotion="neutral",
        shares={"neutral": 0.71, "happy": 0.17, "surprise": 0.12},
        aus={1: 0.55, 2: 0.48, 4: 0.07, 6: 0.10, 9: 0.02, 12: 0.22, 25: 0.06, 26: 0.09},
        skin=(92, 128, 178),
        hair=(28, 26, 30),
        shirt=(92, 128, 84),
    ),
)


def head_mm(person: Person) -> Points:
    """(98,3) landmarks in WFLW order, in the axes of `FACE_MM`."""
    head = np.zeros((98, 3))
    turn = np.linspace(0, math.pi, 33)
    head[:33] = np.stack([-70 * np.cos(turn), -12 + 108 * np.sin(turn) ** 0.9, 12 - 58 * np.sin(turn)], axis=1)
    head[list(POINTS)] = FACE_MM
    for first, side in ((33, -1), (42, 1)):
        head[first : first + 9] = _brow(side)
    for first in (60, 68):
        start, end = head[first], head[first + 4]
        for step, high in ((1, 4.2), (2, 5.4), (3, 4.2)):
            lid = (1 - 0.25 * person.smile) * high
            head[first + step] = start + (end - start) * step / 4 + (0, -lid, -2)
            head[first + 8 - step] = start + (end - start) * step / 4 + (0, 0.8 * lid, -2)
        head[96 + first // 68] = start + (end - start) / 2 - (0, 0, 3)
    head[76:88] = _mouth(12, 25 + 5 * person.smile, 8 + 5 * person.open, person.smile)
    head[88:96] = _mouth(8, 20 + 5 * person.smile, 0.8 + 6 * person.open, person.smile)
    return head


def _brow(side: int) -> Points:
    """(9,3): its upper edge from the picture's left to its right, then the lower one back."""
    away = np.linspace(14, 52, 5)[::side]  # from the nose
    upper = np.stack([side * away, -47 - 7 * np.sin((away - 8) / 16), -48 + 0.35 * (away - 14)], axis=1)
    lower = upper[upper[:, 0] * side > 14] + (0, 4.5, 0)
    return np.concatenate([upper, lower[::-1]])


def _mouth(count: int, wide: float, high: float, smile: float) -> Points:
    round_ = np.linspace(math.pi, 3 * math.pi, count, endpoint=False)
    x = wide * np.cos(round_)
    lift = 9 * smile * (x / wide) ** 2
    return np.stack([x, 48 + high * np.sin(round_) - lift, -54 + 0.012 * x**2], axis=1)


class Canvas:
    """What a person is painted onto, by points of the head in mm."""

    def __init__(self, pixels: Pixels, at_mm: Point, turned_rad: Point):
        self.pixels, self._camera = pixels, Camera.of(*SIZE_PX)
        self._pose = HeadPose(at_mm, turned_rad, 0.0)

    def at(self, points_mm: Points) -> Points:
        return projected(np.asarray(points_mm, np.float64).reshape(-1, 3), self._pose, self._camera) * FINER

    def fill(self, points_mm: Points, colour: Colour) -> None:
        cv2.fillPoly(self.pixels, [np.rint(self.at(points_mm) * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)

    def line(self, points_mm: Points, colour: Colour, thickness: int) -> None:
        curve = np.rint(self.at(points_mm) * 16).astype(np.int32)
        cv2.polylines(self.pixels, [curve], False, colour, thickness * FINER, cv2.LINE_AA, 4)

    def disc(self, centre_mm: Points, radius_mm: float, colour: Colour) -> None:
        """As one sees it from the front, whichever way the head is turned."""
        centre, edge = self.at(np.stack([centre_mm, centre_mm - (0, radius_mm, 0)]))
        x, y = np.rint(centre * 16).astype(int).tolist()
        cv2.circle(
            self.pixels, (x, y), round(float(np.linalg.norm(edge - centre)) * 16), colour, -1, cv2.LINE_AA, 4
        )


def _darker(colour: Colour, share: float) -> Colour:
    blue, green, red = (round(each * share) for each in colour)
    return blue, green, red


def _dome(wide: float, high: float, foot: float, z: float) -> Points:
    """An arch from the picture's left to its right, over the head."""
    turn = np.linspace(0, math.pi, 40)
    return np.stack([-wide * np.cos(turn), foot - high * np.sin(turn), np.full(40, z)], axis=1)


def paint_person(pixels: Pixels, person: Person) -> None:
    head, on = head_mm(person), Canvas(pixels, person.at_mm, person.turned_rad)
    body = Canvas(pixels, person.at_mm, (0.0, 0.0, 0.0))
    on.fill(np.concatenate([_dome(84, 96, -28, 34), HAIR_ENDS_MM]), person.hair)
    body.fill(SHOULDERS_MM, person.shirt)
    body.fill(NECK_MM, _darker(person.skin, 0.82))
    for side in (-1, 1):
        on.disc(np.array([side * 72, 6, 20]), 15, _darker(person.skin, 0.82))
    on.fill(np.concatenate([head[:33], _dome(70, 84, -12, -8)[::-1]]), person.skin)
    on.fill(np.concatenate([_dome(76, 92, -24, -4), _dome(68, 46, -34, -16)[::-1]]), person.hair)
    _paint_features(on, head, person)


def _paint_features(on: Canvas, head: Points, person: Person) -> None:
    dark, shade = _darker(person.hair, 0.9), _darker(person.skin, 0.78)
    yaw, pitch = person.gaze_rad
    look = np.array(gaze_vector(yaw, pitch)) * (9, 7, 0)
    for first, pupil in ((60, 96), (68, 97)):
        eye = head[first : first + 8]
        lids = np.zeros(on.pixels.shape[:2], np.uint8)
        cv2.fillPoly(lids, [np.rint(on.at(eye)).astype(np.int32)], 1)
        painted = on.pixels.copy()
        inner = Canvas(painted, person.at_mm, person.turned_rad)
        inner.fill(eye, WHITE)
        inner.disc(head[pupil] + look, IRIS_MM, (70, 66, 52))
        inner.disc(head[pupil] + look, IRIS_MM / 2.2, (18, 18, 18))
        on.pixels[lids > 0] = painted[lids > 0]
        on.line(eye[:5], _darker(dark, 0.6), 2)
    for first in (33, 42):
        on.fill(head[first : first + 9], dark)
    on.line(head[[52, 53, 54]] + (5, 0, 0), shade, 2)
    on.line(head[55:60], shade, 2)
    lips = (110, 104, 176) if person.skin[2] > 200 else (78, 78, 132)
    on.fill(head[76:88], lips)
    on.fill(head[88:96], (40, 30, 60))
    if person.open > 0.3:
        teeth = head[[88, 89, 90, 91, 92]]
        on.fill(np.concatenate([teeth, teeth[::-1] * (0.96, 1, 1) + (0, 4.0, 0)]), WHITE)


def record_of(person: Person) -> Record:
    """What a run would have of the person: the landmarks as they are, the numbers made up."""
    pose = HeadPose(person.at_mm, person.turned_rad, 0.0)
    points = projected(head_mm(person), pose, Camera.of(*SIZE_PX)).astype(np.float32)
    (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    gaze = np.array(person.gaze_rad, np.float32)
    return Record(
        source="drawn",
        emotion=person.emotion,
        probabilities=person.shares,
        gaze_rad=dict(zip(("yaw", "pitch"), person.gaze_rad, strict=True)),
        aus=person.aus,
        raw=RawValues(np.zeros(8, np.float32), gaze, np.array([*person.aus.values()], np.float32)),
        box=(x1 - 8, y1 - 22, x2 + 8, y2 + 6),
        confidence=0.99,
        landmarks=points,
        faces=len(PEOPLE),
        size_px=SIZE_PX,
    )


def picture() -> Pixels:
    """BGR (H,W,3): both people, and what is known of them."""
    width, height = (side * FINER for side in SIZE_PX)
    down = np.linspace((214, 206, 196), (168, 158, 150), height)
    pixels = np.ascontiguousarray(np.broadcast_to(down[:, None], (height, width, 3)), np.uint8)
    for person in PEOPLE:
        paint_person(pixels, person)
    shown: Pixels = cv2.resize(pixels, SIZE_PX, interpolation=cv2.INTER_AREA).astype(np.uint8)
    camera, records = Camera.of(*SIZE_PX), [record_of(person) for person in PEOPLE]
    drawn = [
        drawn_face(record, derived(record.landmarks, camera), camera, number, SIZE_PX, GazeNames())
        for number, record in enumerate(records)
    ]
    paint(shown, drawn)
    return shown


def main(argv: Sequence[str] | None = None) -> int:
    made = argparse.ArgumentParser(prog="python -m tools.portrait", description=__doc__)
    made.add_argument("out", nargs="?", type=Path, default=Path("docs/output.jpg"), help="(docs/output.jpg)")
    given = made.parse_args(argv)
    cv2.imwrite(str(given.out), picture(), [cv2.IMWRITE_JPEG_QUALITY, 88])
    return 0


if __name__ == "__main__":
    sys.exit(main())
