"""What was found of one thing that must hold: the verdict, the figures that it stands on, what to do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from of3.runtime.types import Pixels

Verdict = Literal["holds", "does not hold", "cannot tell"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in `unit`: what was measured, `of` what; and what it must keep to, where it is not only told."""

    of: str
    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_kept(self) -> bool:
        """False for NaN too, where there is a bound."""
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )


@dataclass(frozen=True, slots=True)
class HeatMap:
    """values: by row, then column.  taken: of every row the column that counts as its own."""

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float]]
    taken: Sequence[int]


@dataclass(frozen=True, slots=True)
class Listing:
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A picture with what was found in it.  note: in a line below its name."""

    name: str
    pixels: Pixels
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """said: what was found, in a line.  remedy: what to do; empty where all is well."""

    check: str
    item: str
    verdict: Verdict
    said: str
    remedy: str = ""
    figures: Sequence[Figure] = ()
    exhibits: Sequence[HeatMap | Listing | Sequence[Drawing]] = ()

    @property
    def name(self) -> str:
        return f"{self.check}: {self.item}"


def beyond(figures: Iterable[Figure]) -> str:
    """Every figure that does not keep its bound, in words; empty where all do."""
    return ", ".join(
        f"{figure.of} {figure.name} {figure.value:.3g} {figure.unit}, want {bound_of(figure)}"
        for figure in figures
        if not figure.is_kept
    )


def bound_of(figure: Figure) -> str:
    """In words; empty where there is none."""
    most = [] if figure.at_most is None else [f"at most {figure.at_most:.3g}"]
    least = [] if figure.at_least is None else [f"at least {figure.at_least:.3g}"]
    return " and ".join(most + least)


def wrong(findings: Iterable[Finding]) -> list[str]:
    """The names of those that do not hold."""
    return [finding.name for finding in findings if finding.verdict == "does not hold"]
