import numpy as np
import pytest

from of3.runtime.types import Face, PictureError
from of3.runtime.vision.crop import crop

PIXELS = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)


def face(*box):
    return Face(np.array(box, np.float32), 0.9, np.zeros((5, 2), np.float32))


def test_corners_are_truncated():
    np.testing.assert_array_equal(crop(PIXELS, face(3.9, 2.9, 10.9, 12.1)), PIXELS[2:12, 3:10])


def test_a_box_over_the_left_and_top_border_is_clamped():
    np.testing.assert_array_equal(crop(PIXELS, face(-8.5, -3.2, 10, 12)), PIXELS[0:12, 0:10])


def test_a_box_over_the_right_and_bottom_border_is_clamped():
    np.testing.assert_array_equal(crop(PIXELS, face(20, 10, 400, 300)), PIXELS[10:, 20:])


@pytest.mark.parametrize("box", [(5, 5, 5.9, 9), (-20, 2, -3, 9), (40, 2, 60, 9), (9, 9, 4, 4)])
def test_a_box_without_a_pixel_is_an_error(box):
    with pytest.raises(PictureError, match="zero-area crop"):
        crop(PIXELS, face(*box))
