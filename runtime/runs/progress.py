"""How far a run is: a bar on a terminal, a line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from of3.runtime.logs.counts import Counts
from of3.runtime.types import Failure, Record

LINE_EVERY_S = 30.0  # where stderr is no terminal

log = logging.getLogger(__name__)


@contextmanager
def progress_bar(total: int) -> Iterator[Callable[[int, int], None]]:
    """What it gives is told how many pictures are dealt with so far, and how many of them failed."""
    start = last_s = time.monotonic()
    is_terminal = sys.stderr.isatty()
    with tqdm(total=total, unit="img", disable=not is_terminal, file=sys.stderr) as bar:

        def tell(pictures: int, failed: int) -> None:
            nonlocal last_s
            bar.set_postfix(failed=failed, refresh=False)
            bar.update(pictures - bar.n)
            now_s = time.monotonic()
            if not is_terminal and now_s - last_s >= LINE_EVERY_S:
                last_s = now_s
                log.info("%s, %d failed", tqdm.format_meter(pictures, total, now_s - start, unit="img"), failed)

        yield tell


def follow(results: Iterable[Record | Failure], tell: Callable[[Counts], None]) -> Counts:
    """Draw all results, counted; `tell` is given the counts after each."""
    counts = Counts()
    for result in results:
        counts.count(result)
        tell(counts)
    return counts
