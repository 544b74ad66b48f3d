"""Generators that carry work through threads and batches without losing order or holding more than a window."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import chain, islice
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def ordered_map(pool: Executor, step: Callable[[A], B], items: Iterable[A], window: int) -> Iterator[B]:
    """`map(step, items)` on the pool's threads, in order, never more than `window` results ahead.

    An exception of `step` is raised where its result would have come; what was queued behind is cancelled.
    """
    source = iter(items)
    pending: deque[Future[B]] = deque(pool.submit(step, item) for item in islice(source, window))
    try:
        while pending:
            result = pending.popleft().result()
            pending.extend(pool.submit(step, item) for item in islice(source, 1))
            yield result
    finally:
        for future in pending:
            future.cancel()


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
