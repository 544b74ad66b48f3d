"""How far a run is: a bar on a terminal, a line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

LINE_EVERY_S = 30.0  # where stderr is no terminal

log = logging.getLogger(__name__)

T = TypeVar("T")


def progress(steps: Iterable[T], total: int, state: Callable[[], tuple[int, int]]) -> Iterator[T]:
    """The steps of a run; after each it is shown how far the run is.

    state: pictures dealt with so far, with those that had their row before, and the failed ones.
    """
    start = last = time.monotonic()
    is_terminal = sys.stderr.isatty()
    with tqdm(total=total, unit="img", disable=not is_terminal, file=sys.stderr) as bar:
        for step in steps:
            yield step
            seen, failed = state()
            bar.set_postfix(failed=failed, refresh=False)
            bar.update(seen - bar.n)
            now = time.monotonic()
            if not is_terminal and now - last >= LINE_EVERY_S:
                last = now
                log.info("%s, %d failed", tqdm.format_meter(seen, total, now - start, unit="img"), failed)
