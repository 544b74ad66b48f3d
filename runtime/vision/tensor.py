"""Pixels -> colour planes -> what a model card asks for."""

import numpy as np

from of3.engines.bundle import InputCard
from of3.runtime.types import Floats, Pixels


def planes_of(pixels: Pixels | Floats) -> Floats:
    """(H,W,3) -> its channels as planes of their own, (3,H,W) float32, in the order they came."""
    planes = np.empty((3, *pixels.shape[:2]), np.float32)
    for channel, plane in enumerate(planes):
        plane[...] = pixels[..., channel]
    return planes


def normalise(planes: Floats, card: InputCard) -> Floats:
    """BGR planes (3,h,w) on 0..255 -> `(pixel * scale - mean) / std` in the card's colour order.

    The planes are used up: the result is their memory, seen in that order.
    """
    ordered = planes[::-1] if card.color_order == "RGB" else planes
    ordered *= card.gain.reshape(3, 1, 1)
    ordered -= card.offset.reshape(3, 1, 1)
    return ordered
