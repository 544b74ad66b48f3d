import numpy as np

from of3.engines.bundle import InputCard
from of3.runtime.vision.tensor import normalise, planes_of

PIXELS = np.array([[[10, 20, 30], [11, 21, 31]]], np.uint8)  # one row of two BGR pixels


def test_planes_are_the_channels_in_their_order():
    planes = planes_of(PIXELS)
    np.testing.assert_array_equal(planes, [[[10, 11]], [[20, 21]], [[30, 31]]])
    assert planes.dtype == np.float32
    np.testing.assert_array_equal(planes_of(PIXELS.astype(np.float32)), planes)


def test_rgb_cards_get_red_first_scaled_centred_and_divided():
    card = InputCard("image", (), "RGB", 0.1, (1.0, 2.0, 3.0), (2.0, 1.0, 0.5))
    np.testing.assert_allclose(normalise(planes_of(PIXELS), card)[:, 0, 0], [1.0, 0.0, -4.0], atol=1e-6)


def test_bgr_cards_keep_the_order():
    card = InputCard("image", (), "BGR", 1.0, (10, 0, 0), (1, 1, 1))
    np.testing.assert_array_equal(normalise(planes_of(PIXELS), card)[:, 0, 0], [0, 20, 30])
