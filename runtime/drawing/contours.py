"""Landmarks -> the lines of a face that they lie on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from of3.runtime.types import Floats


@dataclass(frozen=True, slots=True)
class Stretch:
    """Landmarks that follow each other on a line: from `first` up to, not with, `end`."""

    first: int
    end: int
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """What the landmarks of a network are.  between_eyes: whose mean a gaze begins at."""

    lines: tuple[Stretch, ...]
    dots: tuple[int, ...]
    between_eyes: slice


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    points_px: Floats | NDArray[np.float64]  # (N,2)
    is_closed: bool = False


WFLW = Order(
    (
        Stretch(0, 33),  # jaw
        Stretch(33, 42, True),  # brows: round each, above and below
        Stretch(42, 51, True),
        Stretch(51, 55),  # nose: its bridge, its base
        Stretch(55, 60),
        Stretch(60, 68, True),  # eyes
        Stretch(68, 76, True),
        Stretch(76, 88, True),  # lips, outside and inside
        Stretch(88, 96, True),
    ),
    dots=(96, 97),  # pupils
    between_eyes=slice(96, 98),
)
IBUG = Order(  # of 300W
    (
        Stretch(0, 17),
        Stretch(17, 22),  # brows: one line each
        Stretch(22, 27),
        Stretch(27, 31),
        Stretch(31, 36),
        Stretch(36, 42, True),
        Stretch(42, 48, True),
        Stretch(48, 60, True),
        Stretch(60, 68, True),
    ),
    dots=(),
    between_eyes=slice(36, 48),
)
ORDERS: Mapping[int, Order] = {98: WFLW, 68: IBUG}  # by how many there are


def lines_of(landmarks_px: Floats, order: Order) -> tuple[Line, ...]:
    """(N,2) landmarks -> the lines in their order; dots are not among them."""
    return tuple(Line(landmarks_px[each.first : each.end], each.is_closed) for each in order.lines)
