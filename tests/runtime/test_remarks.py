import numpy as np
import pytest

from of3.runtime.remarks import IMPLAUSIBLE, LARGE, LARGE_PX, TILTED, remarks_of, roll_deg
from of3.runtime.types import Face

UPRIGHT = np.array([[-10, -10], [10, -10], [0, 0], [-7, 12], [7, 12]], np.float32)  # y downwards
AU = [0.0, 1.005, 0.5]
STRAIGHT = [0.1, -0.2]


def turned(degrees):
    """The face turned clockwise, as one sees it."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (UPRIGHT @ turn + 50).astype(np.float32)


def face(points=UPRIGHT, fed_px=100.0):
    return Face(np.array([0, 0, 60, 80], np.float32), 0.9, points, 0, fed_px)


@pytest.mark.parametrize("degrees", [0, 30, 90, 135, 180, -45, -90])
def test_the_roll_of_a_face_is_read_off_its_points(degrees):
    assert (roll_deg(turned(degrees)) - degrees + 180) % 360 == pytest.approx(180, abs=1e-3)


@pytest.mark.parametrize("degrees", [46, -46, 90, 180])
def test_a_face_beyond_45_degrees_is_tilted(degrees):
    assert list(remarks_of(face(turned(degrees)), STRAIGHT, AU)) == [TILTED]


@pytest.mark.parametrize("degrees", [0, 44, -44])
def test_a_face_up_to_45_degrees_is_not(degrees):
    assert list(remarks_of(face(turned(degrees)), STRAIGHT, AU)) == []


def test_a_face_that_fills_more_than_the_detector_knows_is_large():
    assert list(remarks_of(face(fed_px=LARGE_PX + 1), STRAIGHT, AU)) == [LARGE]
    assert list(remarks_of(face(fed_px=LARGE_PX), STRAIGHT, AU)) == []


@pytest.mark.parametrize("gaze", [[-76.8, 0.0], [0.0, 1.6]])
def test_eyes_that_look_backwards_are_implausible_with_or_without_a_box(gaze):
    assert list(remarks_of(None, gaze, AU)) == [IMPLAUSIBLE]
    assert list(remarks_of(face(), gaze, AU)) == [IMPLAUSIBLE]


@pytest.mark.parametrize("au", [-0.02, 1.02])
def test_an_au_beyond_0_to_1_is_implausible(au):
    assert list(remarks_of(None, STRAIGHT, [0.5, au])) == [IMPLAUSIBLE]
