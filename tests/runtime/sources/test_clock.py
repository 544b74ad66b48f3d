"""Time stamps, as they come with the frames -> times."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from of3.runtime.sources.clock import Clock, LiveClock, timed

CLOCK = Clock(start=0, tick_s=Fraction(1, 10), frame_s=Fraction(1, 2))


def times(stamps, clock=CLOCK, depth=4):
    found = list(timed(enumerate(stamps), lambda frame: frame[1], clock, depth))
    assert [number for (number, _), _, _ in found] == list(range(len(stamps)))  # the frames keep their order
    return [time_s for _, time_s, _ in found], [source for _, _, source in found]


def test_stamps_that_increase_are_the_times():
    assert times([0, 3, 4, 10]) == ([0, 0.3, 0.4, 1], ["pts"] * 4)


def test_stamps_of_the_order_of_decoding_are_sorted():
    assert times([1, 3, 2, 5, 6, 4]) == (
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
        ["pts", "sorted", "sorted", "sorted", "sorted", "sorted"],
    )


@pytest.mark.parametrize("depth", [1, 4, 16])
def test_a_frame_as_far_from_its_stamp_as_the_window_is_found(depth):
    stamps = [0, *range(2, depth + 2), 1, depth + 2]
    found, sources = times(stamps, depth=depth)
    assert found == [stamp / 10 for stamp in range(depth + 3)]
    assert "rate" not in sources


def test_time_begins_at_the_stream_s_start_or_at_its_first_frame():
    late = Clock(start=5, tick_s=Fraction(1, 10), frame_s=Fraction(1, 2))
    unknown = Clock(start=None, tick_s=Fraction(1, 10), frame_s=Fraction(1, 2))
    assert times([7, 9], late)[0] == [0.2, 0.4]
    assert times([7, 9], unknown)[0] == [0, 0.2]


def test_without_stamps_the_rate_counts():
    assert times([None] * 3) == ([0, 0.5, 1], ["rate"] * 3)


def test_one_stamp_that_is_missing_or_there_twice_costs_no_other():
    assert times([0, None, 20]) == ([0, 0.5, 2], ["pts", "rate", "pts"])
    assert times([0, 10, 10, 20]) == ([0, 1, 1.5, 2], ["pts", "pts", "rate", "pts"])


def test_times_increase_whatever_the_stamps_are():
    chance = np.random.default_rng(0)
    for _ in range(200):
        stamps = [None if chance.random() < 0.2 else int(chance.integers(-50, 50)) for _ in range(40)]
        found, _ = times(stamps, depth=int(chance.integers(0, 6)))
        assert all(later > earlier for earlier, later in pairwise(found))


def test_no_more_frames_are_held_than_the_window():
    taken = []

    def frames():
        for number in range(50):
            taken.append(number)
            yield number

    for count, _ in enumerate(timed(frames(), lambda number: number, CLOCK, 4), 1):
        assert len(taken) <= count + 4


def live(*frames):
    """Of frames that are (stamp in s or None, when they arrived) -> their times and words."""
    clock = LiveClock()
    return [clock.after(*frame) for frame in frames]


def test_a_live_frame_is_shown_by_its_stamp_from_the_first_on():
    assert live((5.0, 100.0), (5.5, 100.9), (6.5, 101.0)) == [(0.0, "pts"), (0.5, "pts"), (1.5, "pts")]


def test_without_stamps_a_live_frame_is_shown_when_it_arrives():
    assert live((None, 100.0), (None, 100.25)) == [(0.0, "arrival"), (0.25, "arrival")]


@pytest.mark.parametrize("stamp_s", [4.0, 5.0, 500.0])
def test_a_stamp_that_goes_back_or_leaps_is_another_clocks(stamp_s):
    found = live((5.0, 100.0), (stamp_s, 100.5), (stamp_s + 0.25, 101.5))
    assert found == [(0.0, "pts"), (0.5, "arrival"), (0.75, "pts")]


def test_behind_a_gap_a_live_clock_goes_on_by_arrival():
    clock = LiveClock()
    clock.after(5.0, 100.0)
    clock.forget()
    assert clock.after(5.25, 103.0) == (3.0, "arrival")
    assert clock.after(5.5, 103.0) == (3.25, "pts")


def test_times_of_live_frames_strictly_increase():
    (_, (first_s, _), (second_s, _)) = live((None, 100.0), (None, 100.0), (None, 99.0))
    assert 0.0 < first_s < second_s
