"""How often which value occurs."""

from dataclasses import dataclass, field
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from of3.runtime.types import Floats

FINE = 10  # bins of the count in one that is drawn: medians are read from them


@dataclass(slots=True)
class Histogram:
    """Grows with every value; those beyond its range are counted in its outermost bins.

    NaN: not counted.
    """

    low: float
    high: float
    drawn: int = 40  # bins
    counts: NDArray[np.int64] = field(init=False)
    total: int = 0
    sum: float = 0.0
    squares: float = 0.0
    least: float = float("inf")
    most: float = float("-inf")

    def __post_init__(self) -> None:
        self.counts = np.zeros(self.drawn * FINE, np.int64)

    def add(self, values: Floats | NDArray[np.float64]) -> None:
        values = values[~np.isnan(values)].astype(np.float64)
        if not values.size:
            return
        scaled = (values - self.low) * (len(self.counts) / (self.high - self.low))
        places = np.clip(scaled, 0, len(self.counts) - 1).astype(np.int64)
        self.counts += np.bincount(places, minlength=len(self.counts))
        self.total += values.size
        self.sum += float(values.sum())
        self.squares += float((values * values).sum())
        self.least, self.most = min(self.least, float(values.min())), max(self.most, float(values.max()))

    @property
    def mean(self) -> float:
        return self.sum / self.total

    @property
    def deviation(self) -> float:
        """Standard, of all."""
        return sqrt(max(self.squares / self.total - self.mean**2, 0.0))

    @property
    def median(self) -> float:
        """To a bin of the count."""
        place = int(np.searchsorted(np.cumsum(self.counts), (self.total + 1) // 2))
        found = self.low + (place + 0.5) * (self.high - self.low) / len(self.counts)
        return max(min(found, self.most), self.least)

    @property
    def is_constant(self) -> bool:
        """Of values that there are several of."""
        return self.total > 1 and self.least == self.most

    @property
    def edges(self) -> list[float]:
        """Of the bins that are drawn."""
        edges: list[float] = np.linspace(self.low, self.high, self.drawn + 1).tolist()
        return edges

    @property
    def bins(self) -> list[int]:
        """The counts of those that are drawn."""
        bins: list[int] = self.counts.reshape(self.drawn, FINE).sum(axis=1).tolist()
        return bins


@dataclass(slots=True)
class Plane:
    """The same of pairs of values, on a square."""

    low: float
    high: float
    drawn: int = 60  # bins a side
    counts: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = np.zeros((self.drawn, self.drawn), np.int64)

    def add(self, pairs: Floats) -> None:
        """(F,2)."""
        scaled = (pairs[~np.isnan(pairs).any(axis=1)] - self.low) * (self.drawn / (self.high - self.low))
        places = np.clip(scaled, 0, self.drawn - 1).astype(np.int64)
        flat = np.bincount(places[:, 0] * self.drawn + places[:, 1], minlength=self.drawn**2)
        self.counts += flat.reshape(self.drawn, self.drawn)

    @property
    def edges(self) -> list[float]:
        edges: list[float] = np.linspace(self.low, self.high, self.drawn + 1).tolist()
        return edges
