"""Pixels -> colour planes -> what a model card asks for."""

from functools import lru_cache

import cv2
import numpy as np

from of3.engines.bundle import InputCard
from of3.runtime.types import Floats, Pixels
from of3.runtime.vision.scratch import SHELF, Scratch

PART_PIXELS = 1 << 17  # 2 MB with their floats: larger parts leave the cache


def bgr(planes: Floats, card: InputCard) -> Floats:
    """Planes (3,h,w) in the card's colour order, seen in the order of pixels: blue first."""
    return planes[::-1] if card.color_order == "RGB" else planes


def planes_of(pixels: Pixels, out: Floats) -> None:
    """(H,W,3) -> its channels as planes of their own, out (3,H,W), in the order they came."""
    height, width = pixels.shape[:2]
    rows = max(1, PART_PIXELS // width)
    with SHELF.lent() as scratch:
        for top in range(0, height, rows):
            split(pixels[top : top + rows], out[:, top : top + rows], scratch)


def split(pixels: Pixels, out: Floats, scratch: Scratch) -> None:
    """As `planes_of`, all at once: OpenCV takes bytes apart 32 at a time.

    A part of a larger picture is copied first: to rows that begin anywhere OpenCV takes 13 times as long.
    """
    if not pixels.flags.c_contiguous:
        pixels = scratch.copied("part", pixels)
    planes = scratch.pixels("planes", 3, *pixels.shape[:2])
    cv2.split(pixels, list(planes))
    np.copyto(out, planes)


def normalise(planes: Floats, card: InputCard) -> None:
    """Planes (3,h,w) on 0..255 in the card's colour order -> `(pixel * scale - mean) / std`, in their place."""
    gain, offset = _factors(card)
    planes *= gain
    planes -= offset


@lru_cache(maxsize=8)  # there are three networks; made for each picture they took a tenth of its time at 224 px
def _factors(card: InputCard) -> tuple[Floats, Floats]:
    """(3,1,1) each."""
    return card.gain.reshape(3, 1, 1), card.offset.reshape(3, 1, 1)
