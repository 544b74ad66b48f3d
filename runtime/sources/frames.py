"""Frames of a video, and which of them are to be analysed."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from of3.runtime.types import Pixels

# Matroska rounds its times to milliseconds: at 30 frames/s the fourth is at 0.133 s, before the second of 15.
ROUNDED_S = 0.0005


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    number: int  # in the source, from 0
    time_s: float  # since the stream's start
    time_source: str  # "pts", "sorted" or "rate": `of3.runtime.sources.clock`
    pixels: Callable[[], Pixels]  # BGR (H,W,3), upright, the caller's; made when it is called, on any thread


def selected(
    frames: Iterable[Frame],
    every: int = 1,
    fps: float = math.inf,
    start_s: float = 0.0,
    end_s: float = math.inf,
    after: int = -1,
) -> Iterator[Frame]:
    """The frames of [start_s, end_s) whose number is a multiple of `every`, at most `fps` of them a second.

    Of those the first at or after each multiple of 1 / fps seconds.  after: the number of the last frame that
    an earlier pass is done with; those up to it are looked at and left out, so that both passes together choose
    what one would.  Ends with the first frame at or after `end_s`.
    """
    ticks = -1
    for frame in frames:
        if frame.time_s >= end_s:
            return
        if frame.time_s < start_s or frame.number % every:
            continue
        if fps < math.inf:
            ticks, before = math.floor((frame.time_s + ROUNDED_S) * fps), ticks
            if ticks == before:
                continue
        if frame.number > after:
            yield frame
