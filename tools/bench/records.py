"""What is measured, as the page shows it."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of every round, by contestant, for one case."""

    case: str
    pictures: int
    seconds: Mapping[str, Sequence[float]]

    def rate(self, contestant: str) -> float:
        """Pictures a second, median."""
        return self.pictures / statistics.median(self.seconds[contestant])

    def ratio(self, contestant: str, other: str) -> float:
        """How many times as fast as `other`: the median over rounds, each of which ran both."""
        pairs = zip(self.seconds[other], self.seconds[contestant], strict=True)
        return statistics.median(b / a for b, a in pairs)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.  limit: the target, reached at or below it, or at or above where `is_at_least`."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    is_at_least: bool = False

    @property
    def is_reached(self) -> bool:
        assert self.limit is not None
        return self.value >= self.limit if self.is_at_least else self.value <= self.limit


@dataclass(frozen=True, slots=True)
class Curve:
    """Cost in ms against what grows; `limit` says what sets it.

    name: what costs, and its unit behind a comma.
    """

    axis: str
    name: str
    limit: str
    points: Mapping[float, float]

    @property
    def what(self) -> str:
        return self.name.rpartition(", ")[0]

    @property
    def unit(self) -> str:
        return self.name.rpartition(", ")[2]

    @property
    def exponent(self) -> float:
        """Slope of the upper half in the log-log plane: 1 is proportional, 0 is constant."""
        upper = list(self.points.items())[len(self.points) // 2 - 1 :]
        x, y = np.log(np.array(upper)).T
        return float(np.polyfit(x, y, 1)[0])
