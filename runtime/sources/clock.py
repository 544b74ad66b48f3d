"""When each frame is shown: by the file's time stamps, whichever frame each lies with, or else by its rate."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from heapq import heappop, heappush
from typing import TypeVar

BY_STAMP, BY_SORTED_STAMP, BY_RATE = "pts", "sorted", "rate"  # words of the column time_source

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Clock:
    """How a stream counts."""

    start: int | None  # the stamp of time 0; None: the first frame's
    tick_s: Fraction
    frame_s: Fraction  # one frame, by the average rate

    def time_s(self, stamp: int) -> Fraction:
        return (stamp - (self.start or 0)) * self.tick_s

    def stamp(self, time_s: float) -> int:
        """The other way round, to the next tick."""
        return (self.start or 0) + round(Fraction(time_s) / self.tick_s)


def timed(
    frames: Iterable[A], stamp_of: Callable[[A], int | None], clock: Clock, depth: int
) -> Iterator[tuple[A, float, str]]:
    """Frames in the order in which they are shown -> (frame, seconds, word of where they come from).

    The times strictly increase.  A frame gets the smallest stamp that it and the `depth` frames behind it have:
    AVI stamps packets in the order of decoding, so that a frame on which others depend has an earlier one than
    is its own.  A frame without a stamp, or with one that is no later than the time before, comes a frame after
    that.
    """
    before: Fraction | None = None
    for frame, own, stamp in _sorted(((frame, stamp_of(frame)) for frame in frames), depth):
        if clock.start is None and stamp is not None:
            clock = replace(clock, start=stamp)
        time_s = None if stamp is None else clock.time_s(stamp)
        source = BY_STAMP if stamp == own else BY_SORTED_STAMP
        if time_s is None or (before is not None and time_s <= before):
            time_s = Fraction(0) if before is None else before + clock.frame_s
            source = BY_RATE
        before = time_s
        yield frame, float(time_s), source


def _sorted(stamped: Iterable[tuple[A, int | None]], depth: int) -> Iterator[tuple[A, int | None, int | None]]:
    """(frame, its own stamp) -> the same, with the stamp that it gets."""
    held, stamps = deque[tuple[A, int | None]](), list[int]()
    for each in stamped:
        held.append(each)
        if each[1] is not None:
            heappush(stamps, each[1])
        del each  # which is large
        if len(held) > depth:
            yield _earliest(held, stamps)
    while held:
        yield _earliest(held, stamps)


def _earliest(held: deque[tuple[A, int | None]], stamps: list[int]) -> tuple[A, int | None, int | None]:
    frame, own = held.popleft()
    return frame, own, None if own is None else heappop(stamps)
