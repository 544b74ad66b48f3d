"""What a page says: titled sections of tables, charts, pictures and verdicts.

Whoever makes one gives data only; text may hold anything, it is escaped where it is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether something holds that was asked of the numbers."""

    word: Literal["holds", "does not hold", "cannot tell"]


Cell = str | Verdict


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class Caution:
    """What nobody should overlook."""

    text: str
    kind: Literal["caution"] = "caution"


@dataclass(frozen=True, slots=True)
class Table:
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    kind: Literal["table"] = "table"


@dataclass(frozen=True, slots=True)
class Chart:
    """spec: of Vega-Lite 6, for one view, as wide as its place, or `vconcat` of such.

    Its data may be {"name": of the page's}, which charts share.  text: what it shows, for who cannot see it.
    """

    title: str
    text: str
    spec: Mapping[str, Any]
    is_wide: bool = False  # a row of its own; others stand side by side
    kind: Literal["chart"] = "chart"


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture, enlarged where it is clicked.

    source: a data URI; empty where there is no picture to show.  caption: what it is, in full.
    """

    source: str
    caption: str
    note: str = ""  # in a second line
    name: str = ""  # in short; empty: the caption
    side_px: int = 92


@dataclass(frozen=True, slots=True)
class Sheet:
    """Pictures beside each other."""

    caption: str
    figures: Sequence[Figure]
    kind: Literal["sheet"] = "sheet"


@dataclass(frozen=True, slots=True)
class Section:
    """is_closed: shown when its title is clicked.  verdict: beside its title."""

    title: str
    parts: Sequence["Part"]
    is_closed: bool = False
    verdict: Verdict | None = None
    kind: Literal["section"] = "section"


Part = Text | Caution | Table | Chart | Sheet | Section


@dataclass(frozen=True, slots=True)
class Page:
    """datasets: by name, columns of one length each, which charts refer to."""

    title: str
    subtitle: str
    sections: Sequence[Section]
    footer: Sequence[str]
    datasets: Mapping[str, Mapping[str, Sequence[Any]]]
