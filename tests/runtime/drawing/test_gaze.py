"""Where a gaze goes in the picture."""

import math

import pytest

from of3.runtime.drawing.gaze import GazeNames


def direction(yaw, pitch, names=GazeNames()):  # noqa: B008 - frozen
    return names.direction({"yaw": yaw, "pitch": pitch})


def test_yaw_turns_to_the_pictures_left_and_pitch_up():
    assert direction(0.0, 0.0) == pytest.approx((0, 0, -1))
    assert direction(math.pi / 2, 0.0) == pytest.approx((-1, 0, 0))
    assert direction(0.0, math.pi / 2) == pytest.approx((0, -1, 0))


def test_openface_2s_angles_are_the_networks_with_the_other_sign():
    x, y, z = direction(0.3, 0.0)
    assert math.atan2(x, -z) == pytest.approx(-0.3)
    x, y, z = direction(0.0, 0.2)
    assert math.atan2(y, -z) == pytest.approx(-0.2)


@pytest.mark.parametrize(("yaw", "pitch"), [(0.4, -0.3), (-1.2, 0.9), (3.0, 0.1)])
def test_a_mirrored_gaze_goes_the_mirrored_way(yaw, pitch):
    x, y, z = direction(yaw, pitch)
    assert direction(-yaw, pitch) == pytest.approx((-x, y, z))
    assert math.hypot(x, y, z) == pytest.approx(1)


def test_what_mirrored_pictures_have_shown_counts_more_than_what_a_run_calls_it():
    swapped = GazeNames.of(("yaw", "pitch"), ("pitch", "yaw"))
    assert direction(0.1, 0.5, swapped) == pytest.approx(direction(0.5, 0.1))
    assert GazeNames.of(("pitch", "yaw"), ("pitch", "yaw")) == GazeNames()


def test_where_the_mirror_told_nothing_nobody_knows():
    assert GazeNames.of(("pitch", "yaw"), ()) is None
