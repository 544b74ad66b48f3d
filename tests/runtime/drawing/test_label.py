"""Where labels stand and how large their letters are."""

from itertools import combinations

import pytest

from of3.runtime.drawing.face import drawn_face
from of3.runtime.drawing.gaze import GazeNames
from of3.runtime.drawing.label import Rectangle, letter_px, placed
from of3.runtime.vision.derived import Derived

SIZES = [(426, 240), (1280, 720), (3840, 2160)]
THREE = [(-350.0, 0.0, 900.0), (0.0, 20.0, 800.0), (330.0, -30.0, 1000.0)]
CORNERS = [(x, y, 600.0) for x in (-400.0, 400.0) for y in (-260.0, 260.0)]


def faces(seen, size, places):
    records = [seen(size, at_mm=at) for at in places]
    return [drawn_face(each, Derived(), None, 0, size, GazeNames()) for each in records]


def box(face):
    x1, y1, x2, y2 = (round(side) for side in face.box_px)
    return Rectangle(x1, y1, x2 - x1, y2 - y1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("places", [THREE, CORNERS, [(0.0, 0.0, 9000.0)], [(0.0, 0.0, 250.0)]])
def test_all_of_a_label_is_in_the_picture(seen, size, places):
    assert all(each.at.within(*size) for each in placed(faces(seen, size, places), *size))


@pytest.mark.parametrize("size", SIZES)
def test_the_labels_of_three_people_hide_no_face_and_no_other_label(seen, size):
    three = faces(seen, size, THREE)
    at = [each.at for each in placed(three, *size)]
    assert not any(one.meets(other) for one, other in combinations(at, 2))
    assert not any(label.meets(box(face)) for label in at for face in three)


def test_letters_are_read_at_240p_and_follow_the_picture_and_the_face():
    assert letter_px(40, 426, 240) == 7
    assert letter_px(40, 3840, 2160) == pytest.approx(2160 / 70)
    assert letter_px(600, 1280, 720) == pytest.approx(20)


def test_a_picture_that_is_too_small_has_a_label_all_the_same(seen):
    for side in (1, 16, 64, 112):
        (each,) = placed(faces(seen, (side, side), [(0.0, 0.0, 300.0)]), side, side)
        assert each.at.within(side, side)
