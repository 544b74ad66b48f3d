"""Bilinear resampling with antialiasing, equal to torch's `interpolate(..., antialias=True)` on float32.

Plain `cv2.INTER_LINEAR` and `INTER_AREA` are other filters when shrinking (134 and 50 grey levels off at most).

The longer axis is filtered first, then the result is transposed and filtered along the other, so that both are
sums of whole rows, which BLAS makes without a copy of its own.  torch's order is another one, which differs by
rounding.

Memory is the shorter axis's, 2.7 KB a pixel of it, and at most 16 MB for the part of the picture that is read,
or what one output pixel reads of a longer axis of more than 16 384.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from of3.runtime.types import Floats, Pixels
from of3.runtime.vision.bands import Band, bands, margins
from of3.runtime.vision.scratch import SHELF, Scratch
from of3.runtime.vision.tensor import planes_of, split

PART_PIXELS = 1 << 19  # of a plane, 6 MB in all as floats: half of it took 1.05 of the time at 1024 px
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
        done = _second(_first(pixels, side, scratch), side, min(height, width), scratch).transpose(1, 0, 2)
        if width > height:
            np.copyto(out, done)
            return
        for plane, crossed in zip(out, done, strict=True):
            cv2.transpose(crossed, plane)


def _first(pixels: Pixels, side: int, scratch: Scratch) -> Floats:
    """Along the longer axis: (H,W,3) -> (short,3*side), the shorter axis in front, between margins of zeros."""
    short, long = sorted(pixels.shape[:2])
    before, after = margins(short, side)
    out = scratch.floats("first", before + short + after, 3 * side + PAD)
    out[:before] = 0
    out[before + short :] = 0
    planes = out[before : before + short, : 3 * side].reshape(short, 3, side).transpose(1, 0, 2)
    for band in bands(long, side):
        for part in _parts(short, band.hi - band.lo):
            _cross(band, _rows(pixels, band, part, scratch), planes[:, part], scratch)
    return out


def _parts(width: int, height: int) -> Iterator[slice]:
    """Equal parts of `width` columns that fit."""
    count = -(-width * height // PART_PIXELS)
    size = -(-width // count)
    return (slice(left, min(left + size, width)) for left in range(0, width, size))


def _rows(pixels: Pixels, band: Band, part: slice, scratch: Scratch) -> Floats:
    """What a band reads, (hi-lo,3,part): part of the shorter axis, 0 outside the picture."""
    inside = slice(max(band.lo, 0), min(band.hi, max(pixels.shape[:2])))
    rows = scratch.floats("rows", band.hi - band.lo, 3, part.stop - part.start)
    rows[: inside.start - band.lo] = 0
    rows[inside.stop - band.lo :] = 0
    seen = _seen(pixels, inside, part, scratch)
    split(seen, rows[inside.start - band.lo : inside.stop - band.lo].transpose(1, 0, 2), scratch)
    return rows


def _seen(pixels: Pixels, along: slice, across: slice, scratch: Scratch) -> Pixels:
    """A part of the picture with its longer axis in front."""
    height, width = pixels.shape[:2]
    if height >= width:
        return pixels[along, across]
    turned = scratch.pixels("turned", along.stop - along.start, across.stop - across.start, 3)
    cv2.transpose(pixels[across, along], turned)
    return turned


def _cross(band: Band, rows: Floats, planes: Floats, scratch: Scratch) -> None:
    """Rows (hi-lo,3,part) -> the band's columns of planes (3,part,side)."""
    width = rows.shape[2]
    made = scratch.floats("made", band.size, 3, width)
    band.apply(rows.reshape(-1, 3 * width), 0, made.reshape(-1, 3 * width))
    for plane, colour in zip(planes, range(3), strict=True):
        cv2.transpose(made[:, colour], plane[:, band.first : band.first + band.size])


def _second(rows: Floats, side: int, length: int, scratch: Scratch) -> Floats:
    """What `_first` made of a shorter axis of `length` -> (side,3,side): along that axis."""
    before, _ = margins(length, side)
    out = scratch.floats("second", side, 3 * side)
    for band in bands(length, side):
        band.apply(rows, before + band.lo, out[band.first : band.first + band.size])
    return out.reshape(side, 3, side)
