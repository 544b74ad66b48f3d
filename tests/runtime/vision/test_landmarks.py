import numpy as np
import pytest

from of3.runtime.types import Face, Patch, PictureError
from of3.runtime.vision.landmarks import align, box_of, to_points


def face(*box):
    return Face(np.array(box, np.float32), 0.9, np.zeros((5, 2), np.float32))


def test_the_boxs_centre_goes_to_the_patchs_centre():
    patch = align(np.zeros((200, 300, 3), np.uint8), np.array([50, 40, 150, 180]))
    np.testing.assert_allclose(patch.to_image @ [127.5, 127.5, 1], [100, 110])
    assert np.isclose(patch.to_image[0, 0], 1.05 * 100 / 256)


def test_pixels_are_where_the_map_says():
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[100:120, 80:90] = 255
    patch = align(pixels, np.array([50, 40, 150, 180]))
    rows, columns = np.nonzero(patch.pixels[..., 0] > 127)
    corners = np.array([[columns.min(), rows.min(), 1], [columns.max(), rows.max(), 1]]) @ patch.to_image.T
    np.testing.assert_allclose(corners, [[79.5, 99.5], [89.5, 119.5]], atol=0.5)


def test_outside_the_picture_it_is_black():
    patch = align(np.full((50, 50, 3), 200, np.uint8), np.array([-40, -40, 60, 60]))
    assert not patch.pixels[:20].any()
    assert patch.pixels[128, 128, 0] == 200


def test_network_points_come_back_to_picture_pixels():
    identity = Patch(np.zeros((256, 256, 3), np.uint8), np.array([[1.0, 0, 0], [0, 1, 0]]))
    points = to_points(np.array([[-1, -1], [0, 0], [1, 1]], np.float32), identity)
    np.testing.assert_allclose(points, [[-0.5, -0.5], [127.5, 127.5], [255.5, 255.5]])


def test_without_a_usable_face_the_whole_picture_is_the_box():
    pixels = np.zeros((20, 30, 3), np.uint8)
    assert box_of(pixels, None).tolist() == [0, 0, 30, 20]
    assert box_of(pixels, face(5.2, 5.2, 5.9, 9)).tolist() == [0, 0, 30, 20]
    assert box_of(pixels, face(-3.7, 2.9, 8.9, 9)).tolist() == [-3, 2, 8, 9]


@pytest.mark.parametrize("value", [np.nan, np.inf, -3e38])
def test_points_that_cannot_be_are_one_pictures_error(value):
    patch = align(np.zeros((50, 50, 3), np.uint8), np.array([0, 0, 50, 50]))
    points = np.zeros((98, 2), np.float32)
    to_points(points, patch)
    points[97, 1] = value
    with pytest.raises(PictureError, match="the network's landmarks is not finite or beyond 100"):
        to_points(points, patch)
