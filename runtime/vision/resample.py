"""Bilinear resampling with antialiasing, equal to torch's `interpolate(..., antialias=True)` on float32.

The filter is a triangle as wide as the step between output pixels (ATen/native/cpu/UpSampleKernel.cpp); plain
`cv2.INTER_LINEAR` and `INTER_AREA` are other filters when shrinking (134 and 50 grey levels off at most).
Eight neighbouring output rows read about 8/scale neighbouring input rows, so each such block is one small
dense product; columns likewise.

Memory does not depend on the shape: a picture wider than LONG is shortened along its rows first, which is the
order of torch itself and differs from the other by rounding; its filter is made one output pixel at a time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from of3.runtime.types import Floats, Pixels
from of3.runtime.vision.tensor import planes_of

BLOCK = 8
LONG = 16_384  # what a camera gives is shorter; filters of longer sides are made as they are used
KEPT = 4096  # filters up to this length are kept: 160 KB at most


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """`taps` (r, hi-lo): output rows [first, first+r) from input rows [lo, hi)."""

    first: int
    lo: int
    hi: int
    taps: Floats


def resample(pixels: Pixels, side: int) -> Floats:
    """(H,W,3) uint8 -> (3,side,side) float32 on 0..255, planar, channels in the order they came."""
    height, width = pixels.shape[:2]
    if height == side and width == side:
        return planes_of(pixels)
    if width > LONG:
        return _rows(_narrowed(pixels, side), side)
    return _columns(_rows(pixels, side), side)


def _narrowed(pixels: Pixels, side: int) -> Floats:
    """(H,W,3) uint8 -> (H,side,3)."""
    out = np.empty((len(pixels), side, 3), np.float32)
    for band in bands(pixels.shape[1], side):
        seen = pixels[:, band.lo : band.hi].astype(np.float32)
        out[:, band.first : band.first + len(band.taps)] = band.taps @ seen
    return out


def _rows(pixels: Pixels | Floats, side: int) -> Floats:
    """(H,W,3) -> planar (3,side,W)."""
    height, width = pixels.shape[:2]
    planes = np.empty((3, side, width), np.float32)
    flat = pixels.reshape(height, width * 3)
    for band in bands(height, side):
        rows = band.taps @ flat[band.lo : band.hi].astype(np.float32)
        planes[:, band.first : band.first + len(rows)] = rows.reshape(-1, width, 3).transpose(2, 0, 1)
    return planes


def _columns(planes: Floats, side: int) -> Floats:
    """(3,side,W) -> (3,side,side)."""
    out = np.empty((3, side, side), np.float32)
    flat, flat_out = planes.reshape(3 * side, -1), out.reshape(3 * side, side)
    for band in bands(planes.shape[2], side):
        flat_out[:, band.first : band.first + len(band.taps)] = flat[:, band.lo : band.hi] @ band.taps.T
    return out


def bands(length: int, side: int) -> Iterable[Band]:
    """The filter from `length` pixels to `side`, cut into blocks of eight output pixels; one by one if LONG."""
    return _kept(length, side) if length <= KEPT else _made(length, side)


@lru_cache(maxsize=256)  # face crops come in many sizes; an entry is 4-40 KB
def _kept(length: int, side: int) -> tuple[Band, ...]:
    return tuple(_made(length, side))


def _made(length: int, side: int) -> Iterator[Band]:
    block = BLOCK if length <= LONG else 1
    for first in range(0, side, block):
        low, weights = taps(length, side, slice(first, min(first + block, side)))
        yield _band(first, low, weights, length)


def _band(first: int, low: np.ndarray, weights: Floats, length: int) -> Band:
    """low, weights: of its output pixels."""
    lo = int(low.min())
    hi = min(int(low.max()) + weights.shape[1], length)
    block = np.zeros((len(low), hi - lo + weights.shape[1]), np.float32)
    for row, (start, weight) in enumerate(zip(low, weights, strict=True)):
        block[row, start - lo : start - lo + len(weight)] = weight
    return Band(first, lo, hi, np.ascontiguousarray(block[:, : hi - lo]))


def taps(length: int, side: int, rows: slice) -> tuple[np.ndarray, Floats]:
    """First input pixel (R,) and weights (R,K) of some output pixels, zero past the last; K is that of all.

    Single precision in ATen's order of operations: with float64 the result is 2.5e-3 grey levels off.
    """
    scale = np.float32(length) / np.float32(side)
    support = np.float32(max(float(scale), 1.0))
    inverse = np.float32(1.0) / support
    centre = (np.float64(scale) * (np.arange(side) + 0.5)).astype(np.float32)
    low = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    high = np.minimum((centre + support + 0.5).astype(np.int64), length)
    offset = np.arange(int((high - low).max()))
    centre, low, high = centre[rows], low[rows], high[rows]
    pixel = (offset + low[:, None]).astype(np.float32)
    distance = ((pixel - centre[:, None]).astype(np.float64) + 0.5) * inverse
    weights = np.maximum(np.float32(1.0) - np.abs(distance.astype(np.float32)), np.float32(0.0))
    weights[offset >= (high - low)[:, None]] = 0.0
    total = np.cumsum(weights, axis=1, dtype=np.float32)[:, -1:]  # sequential, as ATen adds
    return low, (weights / total).astype(np.float32, copy=False)
