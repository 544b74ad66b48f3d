"""How far a run is: a bar on a terminal, a line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tqdm import tqdm

from of3.runtime.logs.counts import Counts

LINE_EVERY_S = 30.0  # where stderr is no terminal

Progress = Callable[[int | None, str], AbstractContextManager[Callable[..., None]]]  # as `progress_bar`

log = logging.getLogger(__name__)


class Bar(tqdm):  # type: ignore[misc]  # its wheel carries no types
    """Without the thread that looks after stalled bars: where there are no more threads it is in the way."""

    monitor_interval = 0


@contextmanager
def progress_bar(total: int | None, unit: str = "img") -> Iterator[Callable[..., None]]:
    """What it gives is told what became of the pictures so far, and how many had been dealt with before.

    The rate is of this run's pictures alone, from its beginning, as its last line says it.
    """
    start = last_s = time.monotonic()
    is_terminal = sys.stderr.isatty()
    with Bar(total=total, unit=unit, smoothing=0, disable=not is_terminal, file=sys.stderr) as bar:

        def tell(counts: Counts, before: int = 0) -> None:
            nonlocal last_s
            pictures, failed = before + counts.total, counts.failed.total()
            bar.set_postfix(failed=failed, refresh=False)
            bar.initial = before
            bar.update(pictures - bar.n)
            now_s = time.monotonic()
            if not is_terminal and now_s - last_s >= LINE_EVERY_S:
                last_s = now_s
                meter = Bar.format_meter(pictures, total, now_s - start, unit=unit, initial=before)
                log.info("%s, %d failed", meter, failed)

        yield tell


@contextmanager
def unseen(total: int | None, unit: str = "img") -> Iterator[Callable[..., None]]:
    """In a worker nothing is shown: the run has its bar, and tqdm's locks outlive a process that is killed."""
    yield lambda counts, before=0: None


@contextmanager
def counting_bar(total: int | None, unit: str = "img") -> Iterator[Callable[..., None]]:
    """As `progress_bar`; what it gives is called after each, or with how many more there are."""
    counts = Counts()
    with progress_bar(total, unit) as shown:

        def more(count: int = 1) -> None:
            counts.done += count
            shown(counts)

        yield more


def follow(parts: Iterable[Counts], tell: Callable[[Counts], None]) -> Counts:
    """Draw the counts of some pictures after the other; `tell` is given the sum after each."""
    counts = Counts()
    for part in parts:
        counts.add(part)
        tell(counts)
    return counts
