"""Bilinear resampling with antialiasing, equal to torch's `interpolate(..., antialias=True)` on float32.

The filter is a triangle as wide as the step between output pixels (ATen/native/cpu/UpSampleKernel.cpp); plain
`cv2.INTER_LINEAR` and `INTER_AREA` are other filters when shrinking (134 and 50 grey levels off at most).
Eight neighbouring output rows read about 8/scale neighbouring input rows, so each such block is one small
dense product; columns likewise.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from of3.runtime.types import Floats, Pixels
from of3.runtime.vision.tensor import planes_of

BLOCK = 8


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
    return _columns(_rows(pixels, side), side)


def _rows(pixels: Pixels, side: int) -> Floats:
    """(H,W,3) uint8 -> planar (3,side,W)."""
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


@lru_cache(maxsize=256)  # face crops come in many sizes; an entry is 4-40 KB
def bands(length: int, side: int) -> tuple[Band, ...]:
    """The filter from `length` pixels to `side`, cut into blocks of eight output pixels."""
    low, weights = taps(length, side)
    return tuple(_band(first, low, weights, length) for first in range(0, side, BLOCK))


def _band(first: int, low: np.ndarray, weights: Floats, length: int) -> Band:
    rows = slice(first, min(first + BLOCK, len(low)))
    lo = int(low[rows].min())
    hi = min(int(low[rows].max()) + weights.shape[1], length)
    block = np.zeros((rows.stop - first, hi - lo + weights.shape[1]), np.float32)
    for row, (start, weight) in enumerate(zip(low[rows], weights[rows], strict=True)):
        block[row, start - lo : start - lo + len(weight)] = weight
    return Band(first, lo, hi, np.ascontiguousarray(block[:, : hi - lo]))


def taps(length: int, side: int) -> tuple[np.ndarray, Floats]:
    """First input pixel (side,) and weights (side,K) of every output pixel, zero past its last.

    Single precision in ATen's order of operations: with float64 the result is 2.5e-3 grey levels off.
    """
    scale = np.float32(length) / np.float32(side)
    support = np.float32(max(float(scale), 1.0))
    inverse = np.float32(1.0) / support
    centre = (np.float64(scale) * (np.arange(side) + 0.5)).astype(np.float32)
    low = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    high = np.minimum((centre + support + 0.5).astype(np.int64), length)
    offset = np.arange(int((high - low).max()))
    pixel = (offset + low[:, None]).astype(np.float32)
    distance = ((pixel - centre[:, None]).astype(np.float64) + 0.5) * inverse
    weights = np.maximum(np.float32(1.0) - np.abs(distance.astype(np.float32)), np.float32(0.0))
    weights[offset >= (high - low)[:, None]] = 0.0
    total = np.cumsum(weights, axis=1, dtype=np.float32)[:, -1:]  # sequential, as ATen adds
    return low, (weights / total).astype(np.float32, copy=False)
