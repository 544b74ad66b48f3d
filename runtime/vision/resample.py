"""Bilinear resampling with antialiasing, equal to torch's `interpolate(..., antialias=True)` on float32.

Plain `cv2.INTER_LINEAR` and `INTER_AREA` are other filters when shrinking (134 and 50 grey levels off at most).

The longer axis is filtered first, then the result is transposed and filtered along the other: products on
whole rows are what BLAS does well without a copy of its own.  torch's order is always columns first, which
differs by rounding.

Memory is the shorter side's, 5 KB a pixel of it, and that of a part of the picture of about 1 MB.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from of3.runtime.types import Floats, Pixels
from of3.runtime.vision.bands import Band, bands, margins
from of3.runtime.vision.scratch import SHELF, Scratch
from of3.runtime.vision.tensor import planes_of, split

PART_PIXELS = 1 << 18  # of a plane, 3 MB in all as floats: larger ones leave the cache
PAD = 16  # rows of 224 * 3 floats and these do not all begin in the same sets of the cache


def resample(pixels: Pixels, out: Floats) -> None:
    """(H,W,3) uint8 -> out (3,side,side) float32 on 0..255, planar, channels in the order they came.

    out: each of its planes is contiguous.
    """
    height, width = pixels.shape[:2]
    side = out.shape[1]
    if height == width == side:
        planes_of(pixels, out)
        return
    with SHELF.lent() as scratch:
        done = _second(_first(pixels, side, scratch), scratch).transpose(1, 0, 2)
        if width > height:
            np.copyto(out, done)
            return
        for plane, crossed in zip(out, done, strict=True):
            cv2.transpose(crossed, plane)


def _first(pixels: Pixels, side: int, scratch: Scratch) -> Floats:
    """(H,W,3) -> (3,side,min(H,W)): along the longer axis."""
    short, long = sorted(pixels.shape[:2])
    out = scratch.floats("first", 3, side, short)
    for band in bands(long, side):
        for part in _parts(short, band.hi - band.lo):
            band.apply(_rows(pixels, band, part, scratch), 0, out[..., part])
    return out


def _parts(width: int, height: int) -> Iterator[slice]:
    """Equal parts of `width` columns that fit."""
    count = -(-width * height // PART_PIXELS)
    size = -(-width // count)
    return (slice(left, min(left + size, width)) for left in range(0, width, size))


def _rows(pixels: Pixels, band: Band, part: slice, scratch: Scratch) -> Floats:
    """What a band reads, (3,hi-lo,part): part of the shorter axis, 0 outside the picture."""
    inside = slice(max(band.lo, 0), min(band.hi, max(pixels.shape[:2])))
    rows = scratch.floats("rows", 3, band.hi - band.lo, part.stop - part.start)
    rows[:, : inside.start - band.lo] = 0
    rows[:, inside.stop - band.lo :] = 0
    seen = _seen(pixels, inside, part, scratch)
    split(seen, rows[:, inside.start - band.lo : inside.stop - band.lo], scratch)
    return rows


def _seen(pixels: Pixels, along: slice, across: slice, scratch: Scratch) -> Pixels:
    """A part of the picture with its longer axis first."""
    height, width = pixels.shape[:2]
    if height >= width:
        return pixels[along, across]
    turned = scratch.pixels("turned", along.stop - along.start, across.stop - across.start, 3)
    cv2.transpose(pixels[across, along], turned)
    return turned


def _second(planes: Floats, scratch: Scratch) -> Floats:
    """(3,side,W) -> (side,3,side): from W to the leading axis."""
    _, side, width = planes.shape
    before, after = margins(width, side)
    crossed = scratch.floats("crossed", 1, before + width + after, 3 * side + PAD)
    crossed[0, :before] = 0
    crossed[0, before + width :] = 0
    cv2.transpose(planes.reshape(3 * side, width), crossed[0, before : before + width, : 3 * side])
    out = scratch.floats("second", 1, side, 3 * side)
    for band in bands(width, side):
        band.apply(crossed, before + band.lo, out)
    return out.reshape(side, 3, side)
