import numpy as np

from of3.engines.bundle import InputCard
from of3.runtime.tensor import normalise

PLANES = np.stack([np.full((2, 2), value, np.float32) for value in (10, 20, 30)])  # B, G, R


def test_rgb_cards_get_red_first_scaled_centred_and_divided():
    card = InputCard("image", (), "RGB", 0.1, (1.0, 2.0, 3.0), (2.0, 1.0, 0.5))
    np.testing.assert_allclose(normalise(PLANES, card)[:, 0, 0], [1.0, 0.0, -4.0], atol=1e-6)


def test_bgr_cards_keep_the_order_and_the_planes_are_not_written_to():
    card = InputCard("image", (), "BGR", 1.0, (10, 0, 0), (1, 1, 1))
    before = PLANES.copy()
    np.testing.assert_array_equal(normalise(PLANES, card)[:, 0, 0], [0, 20, 30])
    np.testing.assert_array_equal(PLANES, before)
