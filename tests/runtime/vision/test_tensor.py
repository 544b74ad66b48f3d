import numpy as np
import pytest

from of3.engines.bundle import InputCard
from of3.runtime.types import Patch
from of3.runtime.vision.sample import face_tensor, patch_tensor
from of3.runtime.vision.tensor import bgr, normalise, planes_of

PIXELS = np.array([[[10, 20, 30], [11, 21, 31]]], np.uint8)  # one row of two BGR pixels
RGB = InputCard("image", (), "RGB", 0.1, (1.0, 2.0, 3.0), (2.0, 1.0, 0.5))
BGR = InputCard("image", (), "BGR", 1.0, (10, 0, 0), (1, 1, 1))


def fed(card):
    tensor = np.empty((3, 1, 2), np.float32)
    planes_of(PIXELS, bgr(tensor, card))
    normalise(tensor, card)
    return tensor


def test_planes_are_the_channels_in_their_order():
    planes = np.empty((3, 1, 2), np.float32)
    planes_of(PIXELS, planes)
    np.testing.assert_array_equal(planes, [[[10, 11]], [[20, 21]], [[30, 31]]])


@pytest.mark.parametrize(("height", "width"), [(1, 1), (700, 500), (3, 300_000)])
def test_planes_of_any_shape(height, width):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    planes = np.empty((3, height, width), np.float32)
    planes_of(pixels, planes)
    np.testing.assert_array_equal(planes, pixels.transpose(2, 0, 1))


def test_rgb_cards_get_red_first_scaled_centred_and_divided():
    np.testing.assert_allclose(fed(RGB)[:, 0, 0], [1.0, 0.0, -4.0], atol=1e-6)


def test_bgr_cards_keep_the_order():
    np.testing.assert_array_equal(fed(BGR)[:, 0, 0], [0, 20, 30])


@pytest.mark.parametrize("shape", [(224, 224), (300, 400), (400, 300)])
def test_a_face_of_one_colour_fills_its_place_in_a_batch_and_no_other(shape):
    batch = np.full((3, 3, 224, 224), 7, np.float32)
    face_tensor(np.full((*shape, 3), PIXELS[0, 0]), RGB, batch[1])
    np.testing.assert_allclose(batch[1].mean(axis=(1, 2)), [1.0, 0.0, -4.0], atol=1e-4)
    assert np.ptp(batch[1], axis=(1, 2)).max() < 1e-4
    assert (batch[[0, 2]] == 7).all()


def test_a_patch_fills_its_place_in_a_batch_and_no_other():
    batch = np.full((3, 3, 256, 256), 7, np.float32)
    patch_tensor(Patch(np.full((256, 256, 3), PIXELS[0, 0]), np.eye(2, 3)), RGB, batch[1])
    np.testing.assert_allclose(batch[1, :, 0, 0], [1.0, 0.0, -4.0], atol=1e-6)
    assert np.ptp(batch[1], axis=(1, 2)).max() == 0
    assert (batch[[0, 2]] == 7).all()
