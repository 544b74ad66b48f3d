"""Painted pixels."""

from dataclasses import replace

import numpy as np
import pytest

from of3.runtime.drawing.face import Label, drawn_face
from of3.runtime.drawing.gaze import GazeNames
from of3.runtime.drawing.paint import ARROW, paint
from of3.runtime.vision.derived import derived
from of3.runtime.vision.pose import Camera


def blank(width, height, level=90):
    return np.full((height, width, 3), level, np.uint8)


def face(record, size):
    camera = Camera.of(*size)
    return drawn_face(record, derived(record.landmarks, camera), camera, 0, size, GazeNames())


def changed(before, after):
    return (before != after).any(axis=2)


def only_arrow(drawn):
    return replace(drawn, is_framed=False, lines=(), dots_px=drawn.dots_px[:0], axes_px=drawn.axes_px[:0])


def arrow_pixels(pixels):
    """(N,2) x, y of those that have its colour."""
    near = np.abs(pixels.astype(int) - ARROW).max(axis=2) < 30
    return np.argwhere(near)[:, ::-1]


def test_lines_go_from_landmark_to_landmark(seen):
    size, record = (1280, 720), seen()
    pixels = blank(*size)
    paint(pixels, [face(record, size)])
    seen_px = changed(blank(*size), pixels)
    for first, second in ((4, 5), (60, 61), (76, 77), (51, 52)):
        x, y = np.rint(record.landmarks[[first, second]].mean(axis=0)).astype(int)
        assert seen_px[y - 2 : y + 3, x - 2 : x + 3].any()


@pytest.mark.parametrize("gaze", [(0.6, 0.1), (-0.4, -0.5)])
def test_the_arrow_of_a_mirrored_picture_is_the_mirrored_arrow(seen, gaze):
    size = (641, 480)  # whose middle is a column
    record = replace(seen(size, has_landmarks=False), box=(220.0, 120.0, 420.0, 360.0))
    pictures = []
    for sign in (1, -1):
        looking = replace(record, gaze_rad={"yaw": sign * gaze[0], "pitch": gaze[1]})
        pixels = blank(*size)
        paint(pixels, [replace(only_arrow(face(looking, size)), label=Label(""))])
        pictures.append(arrow_pixels(pixels))
    there, other = pictures
    assert len(there) > 50
    mirrored = other * (-1, 1) + (640, 0)
    assert mirrored.mean(axis=0) == pytest.approx(there.mean(axis=0), abs=0.5)
    tip = there.mean(axis=0)[0] - 320
    assert np.sign(tip) == -np.sign(gaze[0])


def test_lines_are_as_thick_as_the_face_is_large(seen):
    size, painted = (3840, 2160), []
    for depth_mm in (400.0, 1600.0):
        drawn, pixels = face(seen(size, at_mm=(0.0, 0.0, depth_mm)), size), blank(*size)
        paint(pixels, [drawn])
        x1, y1, x2, y2 = (round(side) for side in drawn.box_px)
        painted.append(changed(blank(*size), pixels)[y1:y2, x1:x2].sum())
    assert painted[0] > 7 * painted[1]  # four times as long


@pytest.mark.parametrize("side", [1, 2, 8, 31])
def test_no_picture_is_too_small(seen, side):
    pixels = blank(side, side)
    paint(pixels, [face(seen((side, side)), (side, side))], "no face")


@pytest.mark.parametrize("scale", [0.0, -1.0, 1e4, 1e9, 1e30])
def test_no_face_is_too_large_or_too_far_away(seen, scale):
    record, size = seen(), (320, 240)
    far = replace(
        record, box=tuple(side * scale for side in record.box), landmarks=record.landmarks * np.float32(scale)
    )
    paint(blank(*size), [face(far, size)])


def test_a_note_stays_within_the_picture_whatever_is_in_it():
    pixels = blank(200, 100)
    paint(pixels, [], "unreadable: \u4e2d\u6587\n" + 500 * "x")
    assert changed(blank(200, 100), pixels)[:20].any()
    assert not changed(blank(200, 100), pixels)[40:].any()
