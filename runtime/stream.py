"""Generators that carry work through threads and batches without losing order or holding more than a window."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Generic, TypeVar, cast

from of3.engines.workers import Step, Workers

A = TypeVar("A")
B = TypeVar("B")


class Pause:
    """In an item's place: the next one is begun when one that is in hand has gone on."""


PAUSE = Pause()


def passing(step: Callable[[A], B]) -> Callable[[A | Pause], B | Pause]:
    """`step` for a stream that may pause."""
    return lambda item: item if isinstance(item, Pause) else step(item)


def ordered_map(
    workers: Workers, step: Callable[[A], B], items: Iterable[A | Pause], window: int, first: int = 1
) -> Iterator[B]:
    """`map(step, items)` on the workers' threads, in order, never more than `window` results ahead.

    An item may be long in coming, as of a camera: none is asked for while a result is ready to be given out,
    and before the first result no more than `first`.  An exception of `step` is raised where its result would
    have come.
    """
    results = admitting_map(workers, step, items, window, lambda _: True, first)
    return cast(Iterator[B], results)  # what can always be begun is never paused for


def admitting_map(
    workers: Workers,
    step: Callable[[A], B],
    items: Iterable[A | Pause],
    window: int,
    admit: Callable[[A], bool],
    first: int = 1,
) -> Iterator[B | Pause]:
    """As `ordered_map`.  admit: whether an item can be begun now; it is asked again when one has gone on.

    Where it cannot and no result is to come, a pause is given out: what is downstream lets go what it holds.
    """
    # Nothing but the two queues may refer to an item or a result: each may be large.
    source, waiting, pending = iter(items), deque[A](), deque[Step[B]]()
    most = first
    while True:
        while len(pending) < most and not (pending and pending[0].is_done):
            if not waiting and not _take(source, waiting, may_pause=bool(pending)):
                break
            if not admit(waiting[0]):
                break
            pending.append(workers.submit(step, waiting.popleft()))
        if pending:
            yield pending.popleft()()
            most = window
        elif waiting:
            yield PAUSE
        else:
            return


def _take(source: Iterator[A | Pause], waiting: deque[A], may_pause: bool) -> bool:
    """Move one item over; False where there is none, or not before something that is in hand has gone on."""
    for item in source:
        if isinstance(item, Pause):
            if may_pause:
                return False
            continue
        waiting.append(item)
        return True
    return False


class UntilRaised(Generic[A]):
    """The items of a source until it raises, so that what came before goes its way; `check` raises it then."""

    def __init__(self, items: Iterable[A]):
        self._items = items
        self._error: Exception | None = None

    def __iter__(self) -> Iterator[A]:
        try:
            yield from self._items
        except Exception as error:  # noqa: BLE001 - raised again by `check`
            self._error = error

    def check(self) -> None:
        if self._error is not None:
            raise self._error


def batches(items: Iterable[A], size: int) -> Iterator[list[A]]:
    """Consecutive lists of `size`, the last one shorter."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


def delayed(items: Iterable[A], count: Callable[[], int]) -> Iterator[A]:
    """The items, each given out only once `count()` of them are in hand: work begun in making them goes on."""
    held: deque[A] = deque()
    for item in items:
        if isinstance(item, Pause):
            yield held.popleft() if held else item
            continue
        held.append(item)
        del item  # which may be large
        while len(held) >= count():
            yield held.popleft()
    while held:
        yield held.popleft()


def peek(items: Iterable[A], count: int) -> tuple[list[A], Iterator[A]]:
    """The first `count` items, fewer where there are no more, and all of them."""
    rest = iter(items)
    first = list(islice(rest, count))
    return first, chain(first, rest)
