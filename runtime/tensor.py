"""Colour planes -> what a model card asks for."""

import numpy as np

from of3.engines.bundle import InputCard
from of3.runtime.types import Floats


def normalise(planes: Floats, card: InputCard) -> Floats:
    """BGR planes (3,h,w) on 0..255 -> `(pixel * scale - mean) / std` in the card's colour order, contiguous."""
    ordered = planes[::-1] if card.color_order == "RGB" else planes
    std = np.array(card.std)
    gain = (card.scale / std).astype(np.float32).reshape(3, 1, 1)
    offset = (np.array(card.mean) / std).astype(np.float32).reshape(3, 1, 1)
    tensor: Floats = np.ascontiguousarray(ordered) * gain
    tensor -= offset
    return tensor
