"""When each frame is shown: by the file's time stamps, whichever frame each lies with, or else by its rate."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from heapq import heappop, heappush
from typing import TypeVar

BY_STAMP, BY_SORTED_STAMP, BY_RATE = "pts", "sorted", "rate"  # words of the column time_source
BY_ARRIVAL = "arrival"
JUMP_S = 10.0  # beyond what went by: a clock that was set, as at a server's next programme
LEAST_S = 1e-6  # between two frames, as times are written

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


class LiveClock:
    """When each frame of a live stream is shown, since the first: by the stream's stamps, or when it comes."""

    def __init__(self) -> None:
        self.time_s = 0.0  # of the last frame
        self._arrived_s: float | None = None  # that frame, by a clock of the machine's
        self._stamp_s: float | None = None  # its own; None: what the next one's says is compared with nothing

    def after(self, stamp_s: float | None, arrived_s: float) -> tuple[float, str]:
        """Of the next frame: seconds, and the word of where they come from.  They strictly increase."""
        waited_s = 0.0 if self._arrived_s is None else max(arrived_s - self._arrived_s, LEAST_S)
        step_s, source = waited_s, BY_ARRIVAL
        if stamp_s is not None and self._arrived_s is None:
            source = BY_STAMP
        elif stamp_s is not None and self._stamp_s is not None:
            by_stamp_s = stamp_s - self._stamp_s
            if LEAST_S <= by_stamp_s <= waited_s + JUMP_S:
                step_s, source = by_stamp_s, BY_STAMP
        self.time_s += step_s
        self._arrived_s, self._stamp_s = arrived_s, stamp_s
        return self.time_s, source

    def forget(self) -> None:
        """The stamps to come have nothing to do with those before."""
        self._stamp_s = None
