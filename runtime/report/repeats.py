"""Faces whose numbers are the same: a picture under two names, a frozen frame, a network that has stuck."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from of3.runtime.report.batch import Batch

SAME = 0.01  # to which numbers are rounded before they are compared
MOST = 1e6  # numbers beyond it are taken for it
SHOWN = 5  # groups, and faces of each
MULTIPLIERS = np.random.default_rng(0).integers(1, 1 << 63, 18, np.uint64) | np.uint64(1)


@dataclass(frozen=True, slots=True)
class Alike:
    """count: of faces with the numbers of another, both counted.  groups: names of the pictures of some."""

    count: int
    groups: Sequence[Sequence[str]]


@dataclass(slots=True)
class Repeats:
    """12 bytes a face: 64 bits of its 18 numbers, and whose picture's they are."""

    digests: list[NDArray[np.uint64]] = field(default_factory=list)
    numbers: list[NDArray[np.int32]] = field(default_factory=list)

    def add(self, batch: Batch) -> None:
        values = np.concatenate([batch.au, batch.shares, batch.gaze_rad], axis=1)
        rounded = np.rint(np.clip(np.nan_to_num(values), -MOST, MOST) / SAME).astype(np.int64).astype(np.uint64)
        self.digests.append((rounded * MULTIPLIERS).sum(axis=1, dtype=np.uint64))
        self.numbers.append(batch.numbers.astype(np.int32))

    def groups(self) -> tuple[int, list[list[int]]]:
        """How many faces are like another; pictures of the largest groups, by number, some of each."""
        if not self.digests:
            return 0, []
        digests, numbers = np.concatenate(self.digests), np.concatenate(self.numbers)
        order = np.argsort(digests, kind="stable")
        _, starts, sizes = np.unique(digests[order], return_index=True, return_counts=True)
        largest = [at for at in np.argsort(-sizes, kind="stable")[:SHOWN].tolist() if sizes[at] > 1]
        found = [numbers[order[starts[at] : starts[at] + min(sizes[at], SHOWN)]].tolist() for at in largest]
        return int(sizes[sizes > 1].sum()), found
