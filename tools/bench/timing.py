"""Times of steps; needs nothing but Python."""

import statistics
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

Step = Callable[[], object]
K = TypeVar("K", bound=Hashable)


def time_s(step: Step) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def interleaved_s(steps: Mapping[K, Step], rounds: int) -> dict[K, list[float]]:
    """Seconds of every round; each runs all the steps, so that whatever else the machine does meets all."""
    taken = [{key: time_s(step) for key, step in steps.items()} for _ in range(rounds)]
    return {key: [each[key] for each in taken] for key in steps}


def median_s(step: Step, repeats: int = 7, warm_up: int = 1) -> float:
    """Median of `repeats` runs, after some that do not count."""
    return statistics.median(interleaved_s({0: step}, warm_up + repeats)[0][warm_up:])


def serve(step: Step) -> None:
    """Be a contestant of a race: warm up, say so, then run once for every line of standard input."""
    step()
    print("ready", flush=True)
    for _ in sys.stdin:
        step()
        print("done", flush=True)
