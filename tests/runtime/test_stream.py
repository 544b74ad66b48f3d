import threading
import time

import pytest

from of3.engines.workers import Workers
from of3.runtime.stream import PAUSE, admitting_map, batches, delayed, ordered_map, passing, peek


@pytest.fixture
def pool():
    workers = Workers(3, "test")
    yield workers
    workers.close()


def noted(count, taken):
    """0, 1, ... below `count`, each added to `taken` as it is taken."""
    for number in range(count):
        taken.append(number)
        yield number


def test_results_keep_their_order_whatever_each_takes(pool):
    def slow_first(number):
        time.sleep(0.02 if number == 0 else 0)
        return number

    assert list(ordered_map(pool, slow_first, range(20), 5)) == list(range(20))


def test_never_more_than_a_window_is_taken_ahead(pool):
    taken: list[int] = []

    def slowly(number):
        time.sleep(0.001 * (number % 3))
        return number

    results = ordered_map(pool, slowly, noted(300, taken), 4)
    ahead = [len(taken) - number for number in results]
    assert max(ahead) <= 5
    assert max(ahead[10:]) >= 4  # and the window is used


def test_the_first_result_waits_for_no_second_input(pool):
    taken: list[int] = []
    assert next(ordered_map(pool, lambda number: number, noted(1000, taken), 7)) == 0
    assert taken == [0]


def test_a_source_that_is_slow_holds_back_one_result_at_most(pool):
    """As a camera's: what is ready is given out before more is asked for."""
    taken: list[int] = []

    def camera():
        for number in noted(20, taken):
            time.sleep(0.02)
            yield number

    ahead = [len(taken) - 1 - number for number in ordered_map(pool, lambda number: number, camera(), 7)]
    assert max(ahead) <= 1


def test_an_exception_comes_where_its_result_would(pool):
    results = ordered_map(pool, lambda number: 1 // (2 - number), range(5), 5)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_work_runs_on_the_pool(pool):
    names = set(ordered_map(pool, lambda _: threading.current_thread().name, range(8), 4))
    assert threading.current_thread().name not in names


def test_batches_are_full_but_for_the_last():
    assert list(batches(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batches([], 3)) == []


def test_an_item_is_given_out_once_enough_are_in_hand():
    made: list[int] = []
    items = delayed(noted(5, made), lambda: 3)
    assert next(items) == 0
    assert made == [0, 1, 2]
    assert list(items) == [1, 2, 3, 4]


def test_a_window_that_shrinks_gives_out_what_it_holds():
    size = [3]
    items = delayed(range(5), lambda: size[0])
    assert next(items) == 0
    size[0] = 1
    assert list(items) == [1, 2, 3, 4]


def test_a_peek_takes_no_more_than_it_shows_and_loses_nothing():
    source = iter(range(5))
    first, rest = peek(source, 2)
    assert first == [0, 1]
    assert next(source) == 2
    assert list(rest) == [0, 1, 3, 4]
    assert peek([], 2)[0] == []


def test_what_has_no_room_pauses_until_what_is_downstream_has_gone_on(pool):
    """Three stages; no more than two items may be in them, which the last one gives back."""
    under_way: set[int] = set()

    def begin(number):
        if len(under_way) >= 2:
            return False
        under_way.add(number)
        return True

    first = admitting_map(pool, lambda number: number, range(50), 5, begin)
    held = delayed(map(passing(lambda number: number), first), lambda: 4)

    def end(number):
        under_way.remove(number)
        return number

    assert list(ordered_map(pool, end, held, 5)) == list(range(50))


def test_a_stream_without_room_is_paused_and_nothing_is_lost(pool):
    is_open = [False]
    results = admitting_map(pool, lambda number: number, range(3), 5, lambda _: is_open[0])
    assert [next(results), next(results)] == [PAUSE, PAUSE]
    is_open[0] = True
    assert list(results) == [0, 1, 2]
