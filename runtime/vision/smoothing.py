"""Numbers of one face over time, less jittery: the one-euro filter (Casiez, Roussel and Vogel 2012).

A low-pass whose cutoff rises with the speed of what goes through: low where something rests and one would see
it shake, high where it moves and one would see it lag.  Angles are taken as numbers: a roll that passes half a
turn, of a head upside down, jumps.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from of3.runtime.types import Floats

Values = NDArray[np.float64]

# beta, of speeds in units a second.  What moves by one unit a second (a head's width, 57 degrees) comes out
# 24 ms late at a time constant of 0.1 s and 30 ms at 0.5 s; what moves by a tenth of that, 76 and 194 ms.
CUTOFF_HZ_PER_SPEED = 5.0
SPEED_CUTOFF_HZ = 1.0  # of the speeds themselves, as published


@dataclass(frozen=True, slots=True, eq=False)
class Smoothed:
    """Values as they came out of the filter, and what it goes on from."""

    time_s: float
    values: Values
    put_in: Values
    speeds_per_s: Values


@dataclass(frozen=True, slots=True)
class OneEuro:
    """The filter, of a time constant: to what rests, it is a low-pass with a cutoff of 1 / (2 pi smooth_s)."""

    smooth_s: float

    def first(self, time_s: float, values: Floats | Values) -> Smoothed:
        """Of the first frame: the values as they are."""
        put_in = values.astype(np.float64)
        return Smoothed(time_s, put_in, put_in, np.zeros(values.shape))

    def after(self, before: Smoothed, time_s: float, values: Floats | Values, unit: float) -> Smoothed:
        """Of a later frame, after any time; values of the same shape.

        unit: what they change by in a second of fast movement: 1 for rad, a head's width for px and mm.
        Raises ValueError where the frame's time lies before the last one's.
        """
        step_s = time_s - before.time_s
        if step_s < 0:
            came = f"got a frame of {time_s} s after one of {before.time_s} s"
            raise ValueError(f"{came}, want them in order: sort them")
        if step_s == 0:
            return before
        put_in = values.astype(np.float64)
        # Not from what came out, as in the paper: its lag would count as speed, the more the shorter the step.
        changes_per_s = (put_in - before.put_in) / step_s
        speeds_per_s = _toward(changes_per_s, before.speeds_per_s, SPEED_CUTOFF_HZ, step_s)
        cutoffs_hz = 1 / (2 * math.pi * self.smooth_s) + CUTOFF_HZ_PER_SPEED * np.abs(speeds_per_s) / unit
        return Smoothed(time_s, _toward(put_in, before.values, cutoffs_hz, step_s), put_in, speeds_per_s)


def _toward(new: Values, old: Values, cutoff_hz: float | Values, step_s: float) -> Values:
    """A low-pass of first order: the old values, moved towards the new ones."""
    turns = 2 * math.pi * step_s * cutoff_hz
    return old + turns / (turns + 1) * (new - old)
