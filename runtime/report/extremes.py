"""The faces with the largest of a value, of all that come by."""

from dataclasses import dataclass, field

import numpy as np

from of3.runtime.report.batch import Batch, Spot
from of3.runtime.types import Floats

KEPT = 6


@dataclass(slots=True)
class Top:
    """sign: 1 for the largest, -1 for the smallest.  Of equal ones the first stay."""

    sign: int = 1
    kept: list[Spot] = field(default_factory=list)  # the most extreme first

    def offer(self, batch: Batch, values: Floats) -> None:
        """values: (F,) of the batch's faces; NaN is no candidate."""
        signed = self.sign * values
        least = self.sign * self.kept[-1].value if len(self.kept) == KEPT else -np.inf
        candidates = np.flatnonzero(signed > least)
        if candidates.size:
            best = candidates[np.argsort(-signed[candidates], kind="stable")[:KEPT]]
            spots = [batch.spot(int(index), float(values[index])) for index in best]
            self.kept = sorted([*self.kept, *spots], key=lambda spot: -self.sign * spot.value)[:KEPT]
