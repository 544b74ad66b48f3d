"""Generators that carry work through threads and batches without losing order or holding more than a window."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Generic, TypeVar

from of3.engines.workers import Workers

A = TypeVar("A")
B = TypeVar("B")


def ordered_map(workers: Workers, step: Callable[[A], B], items: Iterable[A], window: int) -> Iterator[B]:
    """`map(step, items)` on the workers' threads, in order, never more than `window` results ahead.

    An item may be long in coming, as of a camera: none is asked for while a result is ready to be given out,
    and before the first result none but its own.  An exception of `step` is raised where its result would
    have come.
    """
    source = iter(items)
    pending = deque(workers.submit(step, item) for item in islice(source, 1))
    while pending:
        yield pending.popleft()()
        while len(pending) < window and not (pending and pending[0].is_done):
            taken = [workers.submit(step, item) for item in islice(source, 1)]
            if not taken:
                break
            pending.extend(taken)


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
        held.append(item)
        while len(held) >= count():
            yield held.popleft()
    yield from held


def peek(items: Iterable[A], count: int) -> tuple[list[A], Iterator[A]]:
    """The first `count` items, fewer where there are no more, and all of them."""
    rest = iter(items)
    first = list(islice(rest, count))
    return first, chain(first, rest)
