from math import pi

import pytest

from of3.runtime.vision.gaze import gaze_angles_rad, gaze_vector


def test_who_looks_straight_ahead_looks_into_the_camera():
    assert gaze_vector(0, 0) == pytest.approx((0, 0, -1))
    assert gaze_angles_rad(gaze_vector(0, 0)) == pytest.approx((0, 0))


def test_positive_yaw_is_to_the_left_of_the_picture_and_positive_pitch_upwards():
    assert gaze_vector(pi / 2, 0) == pytest.approx((-1, 0, 0))
    assert gaze_vector(0, pi / 2) == pytest.approx((0, -1, 0))


@pytest.mark.parametrize(("yaw_rad", "pitch_rad"), [(0.3, 0.0), (-0.4, 0.05), (0.2, -0.1)])
def test_angles_are_those_of_openface2_with_the_other_sign(yaw_rad, pitch_rad):
    vector = gaze_vector(yaw_rad, pitch_rad)
    assert sum(each * each for each in vector) == pytest.approx(1)
    assert gaze_angles_rad(vector) == pytest.approx((-yaw_rad, -pitch_rad), abs=0.01)
