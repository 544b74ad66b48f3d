"""A camera of which not all is known, and pictures of several sizes."""

from dataclasses import replace

import pytest

from of3.runtime.vision.lens import USUAL, Lens, camera_of
from of3.runtime.vision.pose import Camera
from tools.made_logs import Seed

GIVEN = Camera(700, 710, 320, 240)
RECORD = Seed(0).record("frame")


@pytest.mark.parametrize("size_px", [(640, 480), (160, 160)])
def test_of_a_camera_that_nobody_knows_each_size_has_its_own(size_px):
    assert camera_of(replace(RECORD, size_px=size_px)) == USUAL.for_size(*size_px) == Camera.of(*size_px)


def test_what_is_given_holds_for_every_size_and_the_rest_follows_it():
    lens = Lens(fx_px=700, cy_px=100)
    assert lens.for_size(640, 480) == Camera(700, 500, 320, 100)
    assert lens.for_size(1280, 720) == Camera(700, 875, 640, 100)


def test_without_a_size_there_is_a_camera_only_where_it_is_given():
    unknown = replace(RECORD, size_px=None)
    assert camera_of(unknown) is None
    assert camera_of(unknown, GIVEN) == GIVEN
    assert camera_of(RECORD, None) is None
