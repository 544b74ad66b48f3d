"""Times of a step, for the tools beside this file; needs nothing but Python."""

import statistics
import sys
import time
from collections.abc import Callable

Step = Callable[[], object]


def time_s(step: Step) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def median_s(step: Step, repeats: int = 7, warm_up: int = 1) -> float:
    """Median of `repeats` runs, after some that do not count."""
    for _ in range(warm_up):
        step()
    return statistics.median(time_s(step) for _ in range(repeats))


def serve(step: Step) -> None:
    """Be a contestant of bench.py: warm up, then run once for every line of standard input."""
    step()
    print("ready", flush=True)
    for line in sys.stdin:
        assert line.strip() == "go", line
        print(time_s(step), flush=True)
