"""Faces whose numbers are to be looked at before they are believed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from of3.runtime.remarks import IMPLAUSIBLE, LARGE, TILTED
from of3.runtime.report.batch import Batch, said
from of3.runtime.report.extremes import Top
from of3.runtime.types import Floats

TINY_PX = 32.0  # the networks are fed 224
UNSURE = 0.7  # confidence of the box
NEAR_EDGE = 0.01  # of the picture's side
# The tip of the nose beside the middle between the eyes, over their distance: 40 mm before it and 64 mm apart,
# that is a head turned by some 40 degrees.
SIDEWAYS = 0.5


@dataclass(frozen=True, slots=True)
class Kind:
    """measure: a number of each face, (F,); NaN where it is not odd.  sign: whether more is odder, or less."""

    name: str
    text: str
    value: str  # how the number is written, as `%` says
    measure: Callable[[Batch], Floats]
    sign: int = 1


@dataclass(slots=True)
class Odd:
    """Of one kind: how many, and the oddest."""

    top: Top
    count: int = 0

    def add(self, batch: Batch, measured: Floats) -> None:
        self.count += int((~np.isnan(measured)).sum())
        self.top.offer(batch, measured)


def outside(batch: Batch) -> Floats:
    """How far a box reaches beyond NEAR_EDGE inside the picture's edge, in sides of the box; 0 at least."""
    low, high = batch.box_px[:, :2], batch.box_px[:, 2:]
    edge = NEAR_EDGE * batch.size_px
    reach = np.maximum(edge - low, high - (batch.size_px - edge)) / np.maximum(high - low, 1)
    return _above(reach.max(axis=1), 0.0)


def sideways(batch: Batch) -> Floats:
    """How far the nose is from the middle of the eyes along their line, in distances of the eyes."""
    eyes, nose = batch.points_px[:, :2], batch.points_px[:, 2]
    line = eyes[:, 1] - eyes[:, 0]
    along = ((nose - eyes.mean(axis=1)) * line).sum(axis=1)
    return _above(np.abs(along) / np.maximum((line * line).sum(axis=1), 1e-6), SIDEWAYS)


def tiny(batch: Batch) -> Floats:
    """The shorter side of the box, in px."""
    side = (batch.box_px[:, 2:] - batch.box_px[:, :2]).min(axis=1)
    return _where(side < TINY_PX, side)


def unsure(batch: Batch) -> Floats:
    return _where(batch.confidence < UNSURE, batch.confidence)


def remarked(word: str) -> Callable[[Batch], Floats]:
    """Of the face that is taken: nobody looked at the others."""

    def measure(batch: Batch) -> Floats:
        there = [word in said(row) for row in batch.rows]
        return _where(np.array(there, bool), np.ones(len(there), np.float32))

    return measure


def _above(values: Floats, least: float) -> Floats:
    return _where(values > least, values)


def _where(is_odd: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], values: Floats) -> Floats:
    return np.where(is_odd, values, np.nan).astype(np.float32)


KINDS = (
    Kind(
        "near the edge",
        f"the box ends within {NEAR_EDGE:.0%} of the picture's edge, or beyond it",
        "%.2f of a side beyond",
        outside,
    ),
    Kind(
        "sideways", f"the nose is over {SIDEWAYS} eye distances beside the middle of the eyes", "%.2f", sideways
    ),
    Kind(
        "tiny", f"the box's shorter side is below {TINY_PX:.0f} px; the networks see 224", "%.0f px", tiny, -1
    ),
    Kind("unsure", f"the detector's confidence is below {UNSURE}", "confidence %.3f", unsure, -1),
    Kind(LARGE, "larger in what the detector was fed than it finds well", "", remarked(LARGE)),
    Kind(TILTED, "the head is tilted by over 45 degrees and was analysed as if upright", "", remarked(TILTED)),
    Kind(IMPLAUSIBLE, "gaze beyond 90 degrees, or an AU outside 0..1", "", remarked(IMPLAUSIBLE)),
)


def new_odds() -> Mapping[str, Odd]:
    return {kind.name: Odd(Top(kind.sign)) for kind in KINDS}
