"""Drawn faces -> pixels, by OpenCV: anti-aliased, in lines and letters as large as the faces ask for."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from of3.runtime.drawing.contours import Line
from of3.runtime.drawing.face import DrawnFace, Label, Points
from of3.runtime.drawing.label import BAR, GAP, PADDING, PITCH, PREFIX, Placed, letter_px, placed
from of3.runtime.types import Floats, Pixels

Colour = tuple[int, int, int]  # BGR
Coordinates = Floats | Points

SHIFT = 4  # binary places of what OpenCV is given
FARTHEST_PX = 1 << 24  # so that these fit into 32 bits
CAPITAL_PX = 21.0  # of OpenCV's plain letters at a scale of 1
FONT = cv2.FONT_HERSHEY_SIMPLEX
DARK, LIGHT, DIM = (24, 24, 24), (255, 255, 255), (150, 150, 150)
ARROW: Colour = (60, 220, 255)
AXES: tuple[Colour, ...] = ((70, 70, 235), (80, 200, 80), (245, 140, 60))  # x red, y green, forward blue
PEOPLE: tuple[Colour, ...] = (
    (230, 190, 70),
    (120, 130, 250),
    (130, 220, 110),
    (230, 130, 220),
    (90, 190, 250),
    (210, 210, 90),
)
SHADE = 0.3  # what is left of the picture behind letters
EDGED_PX = 100.0  # faces from this size on: an edge would hide a smaller one
THRESHOLD = 0.5  # from which on an action unit counts as there


def paint(pixels: Pixels, faces: Sequence[DrawnFace], note: str = "") -> None:
    """Draw into BGR (H,W,3), in its place.  note: in the upper left corner, as why there is no face."""
    height, width = pixels.shape[:2]
    for face in faces:
        _paint_face(pixels, face, min(face.side_px, float(max(height, width))))
    for face, place in zip(faces, placed(faces, width, height), strict=True):
        _paint_label(pixels, face.label, place, _colour(face))
    if note:
        _paint_note(pixels, note)


def _colour(face: DrawnFace) -> Colour:
    return PEOPLE[face.number % len(PEOPLE)]


def _paint_face(pixels: Pixels, face: DrawnFace, side_px: float) -> None:
    """side_px: how large it is, as far as it fits into the picture."""
    thin, edge = _thickness(side_px, 250), 2 * _thickness(side_px, 400) if side_px >= EDGED_PX else 0
    if face.is_framed:
        x1, y1, x2, y2 = face.box_px
        corners = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], np.float64)
        _stroke(pixels, Line(corners, True), _colour(face), thin, edge)
    for line in face.lines:
        _stroke(pixels, line, _pale(_colour(face)), thin, edge)
    for dot in face.dots_px:
        _disc(pixels, dot, max(side_px / 90, 1.0), _pale(_colour(face)))
    for end, colour in zip(face.axes_px[1:], AXES, strict=False):
        _stroke(pixels, Line(np.stack([face.axes_px[0], end])), colour, _thickness(side_px, 90), edge)
    if len(face.arrow_px):
        _paint_arrow(pixels, face.arrow_px, side_px, _thickness(side_px, 70))


def _thickness(side_px: float, share: float) -> int:
    return max(1, round(side_px / share))


def _pale(colour: Colour) -> Colour:
    blue, green, red = ((each + 255) // 2 for each in colour)
    return blue, green, red


def _paint_arrow(pixels: Pixels, arrow: Points, side_px: float, thickness: int) -> None:
    """A gaze into the camera is its beginning alone, a ring."""
    tail, tip = arrow
    along = tip - tail
    length = float(np.linalg.norm(along))
    _disc(pixels, tail, max(side_px / 40, 2.0), DARK)
    _disc(pixels, tail, max(side_px / 55, 1.5), ARROW)
    if length < 1:
        return
    head = along / length * min(side_px / 10, length / 2)
    across = np.array([-head[1], head[0]]) / 2
    blade = np.stack([tip, tip - head + across, tip - head - across])
    for colour, width in ((DARK, thickness + 2), (ARROW, thickness)):
        _polyline(pixels, np.stack([tail, tip - head]), False, colour, width)
        _polyline(pixels, blade, True, colour, width)
    cv2.fillPoly(pixels, [_fixed(blade)], ARROW, cv2.LINE_AA, SHIFT)


def _stroke(pixels: Pixels, line: Line, colour: Colour, thickness: int, edge: int) -> None:
    """With a dark edge, which is seen before whatever is light."""
    if edge:
        _polyline(pixels, line.points_px, line.is_closed, DARK, thickness + edge)
    _polyline(pixels, line.points_px, line.is_closed, colour, thickness)


def _polyline(pixels: Pixels, points: Coordinates, is_closed: bool, colour: Colour, thickness: int) -> None:
    cv2.polylines(pixels, [_fixed(points)], is_closed, colour, thickness, cv2.LINE_AA, SHIFT)


def _disc(pixels: Pixels, centre: Coordinates, radius_px: float, colour: Colour) -> None:
    x, y = _fixed(centre).tolist()
    cv2.circle(pixels, (x, y), round(radius_px * (1 << SHIFT)), colour, cv2.FILLED, cv2.LINE_AA, SHIFT)


def _fixed(points: Coordinates) -> NDArray[np.int32]:
    """Pixels -> what OpenCV takes with SHIFT; a pixel's middle is its number."""
    near = np.clip(points, -FARTHEST_PX, FARTHEST_PX)
    fixed: NDArray[np.int32] = np.rint(near * (1 << SHIFT)).astype(np.int32)
    return fixed


def _paint_label(pixels: Pixels, label: Label, place: Placed, colour: Colour) -> None:
    at, letter = place.at, place.letter_px
    part = pixels[at.y : at.y + at.height, at.x : at.x + at.width]
    _shade(part)
    cv2.rectangle(part, (0, 0), (max(1, round(letter / 5)), at.height), colour, cv2.FILLED)
    padding, baseline = round(PADDING * letter), round((PADDING + 1) * letter)
    _text(part, label.title, (padding, baseline), letter, LIGHT)
    _paint_bars(part, label, letter, colour)


def _paint_bars(part: Pixels, label: Label, letter: float, colour: Colour) -> None:
    """A column for each action unit, its number below; what is left of it to 1 is dim."""
    if not label.bars:
        return
    height, width = part.shape[:2]
    names_y = height - round(PADDING * letter)
    foot = names_y - round((1 + GAP) * letter)
    left = (PADDING + PREFIX) * letter
    pitch = min(PITCH * letter, (width - left) / len(label.bars))
    _text(part, "AU", (round(PADDING * letter), names_y), letter, DIM)
    for index, (name, value) in enumerate(label.bars):
        x = round(left + index * pitch)
        right, top = x + max(2, round(pitch * 0.7)), foot - round(BAR * letter)
        reached = foot - round(BAR * letter * value)
        cv2.rectangle(part, (x, top), (right, foot), (70, 70, 70), cv2.FILLED)
        cv2.rectangle(part, (x, reached), (right, foot), colour if value >= THRESHOLD else DIM, cv2.FILLED)
        _text(part, name, (x, names_y), letter, LIGHT)


def _paint_note(pixels: Pixels, note: str) -> None:
    height, width = pixels.shape[:2]
    letter = letter_px(0.0, width, height)
    padding = round(PADDING * letter)
    text = _shortened(note, letter, width - 2 * padding)
    part = pixels[: round((2 * PADDING + 1) * letter) + 1, : _width_px(text, letter) + 2 * padding]
    _shade(part)
    _text(part, text, (padding, round((PADDING + 1) * letter)), letter, LIGHT)


def _shade(part: Pixels) -> None:
    part[:] = cv2.convertScaleAbs(part, alpha=SHADE)


def _text(part: Pixels, text: str, at: tuple[int, int], letter: float, colour: Colour) -> None:
    """at: where its letters begin and stand.  What reaches beyond the part is not drawn."""
    cv2.putText(part, text, at, FONT, letter / CAPITAL_PX, colour, _weight(letter), cv2.LINE_AA)


def _weight(letter: float) -> int:
    return max(1, round(letter / 9))


def _width_px(text: str, letter: float) -> int:
    (width, _), _ = cv2.getTextSize(text, FONT, letter / CAPITAL_PX, _weight(letter))
    return width


def _shortened(text: str, letter: float, width_px: int) -> str:
    """As much of it as there is room for; OpenCV has letters of ASCII only."""
    plain = text.encode("ascii", "replace").decode()
    while plain and _width_px(plain, letter) > width_px:
        plain = plain[:-1] if len(plain) < 60 else plain[:59]
    return plain
