"""All that a page shows of many pictures, or of the frames of videos: as large for a million as for ten."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import pi

import numpy as np

from of3.runtime.logs.columns import EMOTIONS, UNITS
from of3.runtime.report.batch import AT_DAMAGE, AT_FACES, AT_STAGE, Batch, Spot
from of3.runtime.report.extremes import Top
from of3.runtime.report.histogram import Histogram, Plane
from of3.runtime.report.odd import KINDS, Odd, new_odds
from of3.runtime.types import Failure

EXAMPLES = 6  # of a reason
REASONS = 40  # that are told apart


@dataclass(slots=True)
class Reason:
    """Why pictures failed: how many, and some of them."""

    count: int = 0
    examples: list[tuple[Failure, Spot]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Measured:
    """A column, by a name that its table has or nearly so, and how often it has which value."""

    name: str
    unit: str
    counted: Histogram


def _scores() -> list[Histogram]:
    return [Histogram(0.0, 1.0) for _ in UNITS]


@dataclass(slots=True)
class Summary:
    pictures: int = 0
    faces: int = 0
    without_row: int = 0
    several: int = 0  # pictures with more than one face
    damaged: int = 0  # though they were decoded
    videos: int = 0  # that the pictures are frames of
    reasons: dict[tuple[str, str], Reason] = field(default_factory=dict)  # by stage and reason
    aus: list[Histogram] = field(default_factory=_scores)
    shares: list[Histogram] = field(default_factory=lambda: [Histogram(0.0, 1.0) for _ in EMOTIONS])
    emotions: Counter[str] = field(default_factory=Counter)  # the most probable of each face
    gaze: Plane = field(default_factory=lambda: Plane(-90.0, 90.0))  # degrees: yaw, pitch
    gaze_sides: list[Histogram] = field(default_factory=lambda: [Histogram(-90.0, 90.0) for _ in range(2)])
    confidence: Histogram = field(default_factory=lambda: Histogram(0.5, 1.0))
    most: list[Top] = field(default_factory=lambda: [Top(1) for _ in UNITS])
    least: list[Top] = field(default_factory=lambda: [Top(-1) for _ in UNITS])
    odds: dict[str, Odd] = field(default_factory=lambda: dict(new_odds()))

    def add(self, batch: Batch) -> None:
        self.pictures += len(batch.pictures)
        self.faces += len(batch.rows)
        self.several += sum((row[AT_FACES] or 0) > 1 for row in batch.pictures)
        self.damaged += sum(bool(row[AT_DAMAGE]) and not row[AT_STAGE] for row in batch.pictures)
        for failure, spot in batch.failures():
            self._fail(failure, spot)
        if batch.rows:
            self._add_faces(batch)

    def _fail(self, failure: Failure, spot: Spot) -> None:
        self.without_row += 1
        named = failure.stage, failure.reason.split(":")[0]
        if named not in self.reasons and len(self.reasons) >= REASONS:
            named = "", "other reasons"
        reason = self.reasons.setdefault(named, Reason())
        reason.count += 1
        if len(reason.examples) < EXAMPLES:
            reason.examples.append((failure, spot))

    def _add_faces(self, batch: Batch) -> None:
        for index, histogram in enumerate(self.aus):
            histogram.add(batch.au[:, index])
            self.most[index].offer(batch, batch.au[:, index])
            self.least[index].offer(batch, batch.au[:, index])
        for index, histogram in enumerate(self.shares):
            histogram.add(batch.shares[:, index])
        best = np.bincount(batch.shares.argmax(axis=1), minlength=len(EMOTIONS)).tolist()
        self.emotions.update(dict(zip(EMOTIONS, best, strict=True)))
        gaze_deg = batch.gaze_rad * np.float32(180 / pi)
        self.gaze.add(gaze_deg)
        for index, histogram in enumerate(self.gaze_sides):
            histogram.add(gaze_deg[:, index])
        self.confidence.add(batch.confidence)
        for kind in KINDS:
            self.odds[kind.name].add(batch, kind.measure(batch))

    def spots(self) -> Iterator[Spot]:
        """What there is to be looked at of it."""
        for top in (*self.most, *self.least, *(odd.top for odd in self.odds.values())):
            yield from top.kept
        for reason in self.reasons.values():
            yield from (spot for _, spot in reason.examples)

    def measured_units(self) -> list[Measured]:
        return [Measured(f"AU{unit:02d}", "score", each) for unit, each in zip(UNITS, self.aus, strict=True)]

    def measured_emotions(self) -> list[Measured]:
        return [Measured(name, "probability", each) for name, each in zip(EMOTIONS, self.shares, strict=True)]

    def measured_gaze(self) -> list[Measured]:
        names = ("gaze yaw", "gaze pitch")
        return [Measured(name, "deg", each) for name, each in zip(names, self.gaze_sides, strict=True)]

    def measured_boxes(self) -> list[Measured]:
        """None where whole pictures were the faces."""
        return [Measured("confidence", "probability", self.confidence)] if self.confidence.total else []

    def constants(self) -> list[str]:
        """Columns that hold one value throughout."""
        every = (self.measured_units(), self.measured_emotions(), self.measured_gaze(), self.measured_boxes())
        return [each.name for some in every for each in some if each.counted.is_constant]
