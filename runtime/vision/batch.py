"""Samples -> the arrays that the networks are fed.

Pictures that are faces as they are get their places before they are read: workers fill the arrays, a slice
each, and no tensor is copied.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np

from of3.engines.bundle import InputCard
from of3.runtime.stream import batches
from of3.runtime.types import Batch, Failure, Floats, K, Sample, Source
from of3.runtime.vision.landmarks import SIDE_PX
from of3.runtime.vision.sample import CROP_PX, patch_tensor

SLICE = 8  # pictures that one worker makes ready: of a batch of 64 several are at work
NO_PATCHES = np.empty((0, 3, SIDE_PX, SIDE_PX), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Blank(Generic[K]):
    """Pictures to be read, and where their tensors go."""

    sources: Sequence[tuple[K, Source | Failure]]
    faces: Floats  # (n,3,224,224), not filled yet: a part of its batch's array


def blanks(sources: Iterable[tuple[K, Source | Failure]], rows: int, size: int) -> Iterator[Blank[K]]:
    """Batches of `rows`, `size` pictures at a time."""
    for batch in batches(sources, rows):
        whole = np.empty((len(batch), 3, CROP_PX, CROP_PX), np.float32)
        for first in range(0, len(batch), size):
            yield Blank(batch[first : first + size], whole[first : first + size])


def joined(parts: Iterable[Batch[K]], rows: int) -> Iterator[Batch[K]]:
    """Batches of `rows` pictures, the last one shorter, of what came of their blanks."""
    held: list[Batch[K]] = []
    for part in parts:
        held.append(part)
        if sum(len(each.items) for each in held) >= rows:
            yield _together(held)
            held = []
    if held:
        yield _together(held)


def _together(parts: Sequence[Batch[K]]) -> Batch[K]:
    """One batch; where no picture failed its array is there already."""
    if len(parts) == 1:
        return parts[0]
    items, whole = [item for part in parts for item in part.items], parts[0].faces.base
    if whole is None or sum(len(part.faces) for part in parts) < len(whole):
        whole = np.concatenate([part.faces for part in parts])
    return Batch(items, whole, NO_PATCHES)


def batch_of(items: Sequence[tuple[K, Sample | Failure]], card: InputCard | None) -> Batch[K]:
    """Samples that were made one by one.  card: of the landmark network, None where there is none."""
    samples = [item for _, item in items if isinstance(item, Sample)]
    faces = np.empty((len(samples), 3, CROP_PX, CROP_PX), np.float32)
    for row, sample in enumerate(samples):
        faces[row] = sample.tensor
    if card is None:
        return Batch(items, faces, NO_PATCHES)
    patches = np.empty((len(samples), 3, SIDE_PX, SIDE_PX), np.float32)
    for row, sample in enumerate(samples):
        if sample.patch is not None:
            patch_tensor(sample.patch, card, patches[row])
    return Batch(items, faces, patches)
