"""torch's antialiased bilinear filter along one axis, cut into a few products of BLAS.

The filter is a triangle as wide as the step between output pixels (ATen/native/cpu/UpSampleKernel.cpp).  The
input that an output pixel reads begins about `scale` further than its neighbour's.  Two strides, one from pixel
to pixel and one from group to group, stay within a few pixels of that over half of 224, so that one call of
`np.matmul` finds all it multiplies where it lies.  Vectors times matrices: products that make 2, 4 or 8 output
pixels at once read more taps and took 0.9 to 1.7 of the time, at every scale from 2 to 18.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from of3.runtime.types import Floats

BLOCK = 112  # of 300 px 224 outputs read 10 taps each, 112 read 8, 56 read 6: more calls cost more than that
LONG = 16_384  # what a camera gives is shorter; filters of longer sides are made as they are used
KEPT = 4096  # filters up to this length are kept: 50 KB at most

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Output pixels [first, first + G*Q) from input pixels [lo, hi); those outside the picture have taps of 0.

    taps: (G,Q,1,K).  Output pixel `first + g*Q + q` is `taps[g, q, 0]` on the K from `lo + g*leap + q*step` on.
    """

    first: int
    lo: int
    hi: int
    leap: int
    step: int
    taps: Floats

    @property
    def size(self) -> int:
        return prod(self.taps.shape[:2])

    def apply(self, rows: Floats, start: int, out: Floats) -> None:
        """Fill `out` (size,W) from `rows` (R,>=W), where what the band reads begins at row `start`.

        rows: C-contiguous and finite, out: contiguous.
        """
        groups, each, _, reach = self.taps.shape
        width = out.shape[1]
        column, row = rows.itemsize, rows.strides[0]
        strides = self.leap * row, self.step * row, row, column
        windows = np.ndarray((groups, each, reach, width), np.float32, rows, start * row, strides)
        np.matmul(self.taps, windows, out=out.reshape(groups, each, 1, width))


def bands(length: int, side: int) -> Iterable[Band]:
    """The filter from `length` pixels to `side`, cut after every 112 output pixels; after every one if LONG."""
    return _kept(length, side) if length <= KEPT else _made(length, side)


def margins(length: int, side: int) -> tuple[int, int]:
    """How many pixels the bands read before the first one and behind the last one."""
    if length > LONG:  # a band of one output pixel reads what it weighs
        return 0, 0
    cut = tuple(bands(length, side))
    return max(0, -min(band.lo for band in cut)), max(0, max(band.hi for band in cut) - length)


@lru_cache(maxsize=256)  # face crops come in many sizes; an entry is 4-50 KB
def _kept(length: int, side: int) -> tuple[Band, ...]:
    return tuple(_made(length, side))


def _made(length: int, side: int) -> Iterator[Band]:
    block = BLOCK if length <= LONG else 1
    for first in range(0, side, block):
        low, weights = taps(length, side, slice(first, min(first + block, side)))
        yield _band(first, low, weights, length / side)


def _band(first: int, low: Indices, weights: Floats, scale: float) -> Band:
    """low, weights: of its output pixels."""
    count = weights.shape[1]
    end = low + count - (weights[:, ::-1] != 0).argmax(axis=1)
    each, leap, step, start = _strides(low, end, scale)
    reach = int((end - start).max())
    block = np.zeros((len(low), int((low - start).max()) + max(count, reach)), np.float32)
    np.put_along_axis(block, (low - start)[:, None] + np.arange(count), weights, axis=1)
    square = np.ascontiguousarray(block[:, :reach]).reshape(-1, each, 1, reach)
    return Band(first, int(start.min()), int(start.max()) + reach, leap, step, square)


def _strides(low: Indices, end: Indices, scale: float) -> tuple[int, int, int, Indices]:
    """Group size, leap, step, and where inputs begin: of those that cover [low, end) what reads least."""
    index = np.arange(len(low))
    sizes = [each for each in range(1, len(low) + 1) if len(low) % each == 0]
    around = list(product(sizes, (0, 1), (0, 1)))
    options = [(each, int(each * scale) + more, int(scale) + one) for each, more, one in around]
    each, leap, step = np.array(options).T[..., None]
    start = leap * (index // each) + step * (index % each)
    start += (low - start).min(axis=1, keepdims=True)
    best = int((end - start).max(axis=1).argmin())
    return *options[best], start[best]


def taps(length: int, side: int, rows: slice) -> tuple[Indices, Floats]:
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
