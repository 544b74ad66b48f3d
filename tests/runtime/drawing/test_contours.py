"""Landmarks as lines."""

from itertools import chain

import numpy as np
import pytest

from of3.runtime.drawing.contours import IBUG, WFLW, lines_of


@pytest.mark.parametrize(("order", "count"), [(WFLW, 98), (IBUG, 68)])
def test_every_landmark_is_on_one_line_or_a_dot(order, count):
    on_lines = chain.from_iterable(range(each.first, each.end) for each in order.lines)
    assert sorted([*on_lines, *order.dots]) == list(range(count))


def test_eyes_brows_and_lips_are_closed_jaw_and_nose_are_not():
    closed = [(line.first, line.end) for line in WFLW.lines if line.is_closed]
    assert closed == [(33, 42), (42, 51), (60, 68), (68, 76), (76, 88), (88, 96)]


def test_the_lines_of_a_made_up_head_are_short_from_landmark_to_landmark(seen):
    landmarks = seen().landmarks
    for line in lines_of(landmarks, WFLW):
        steps_px = np.linalg.norm(np.diff(line.points_px, axis=0), axis=1)
        assert steps_px.max() < 0.2 * np.ptp(landmarks[:, 1])
