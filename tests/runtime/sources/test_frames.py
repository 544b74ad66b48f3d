"""Which frames are chosen, by number and time."""

import numpy as np
import pytest

from of3.runtime.sources.frames import Frame, selected


def frames(times_s):
    return [Frame(number, time_s, "pts", not_converted) for number, time_s in enumerate(times_s)]


def not_converted():
    raise AssertionError("converted")


def numbers(times_s, every=1, fps=float("inf"), start_s=0.0, end_s=float("inf"), after=-1):
    return [frame.number for frame in selected(frames(times_s), every, fps, start_s, end_s, after)]


AT_30 = [number / 30 for number in range(90)]


def test_without_a_wish_every_frame_is_chosen():
    assert numbers(AT_30) == list(range(90))


def test_every_nth_counts_in_the_source():
    assert numbers(AT_30, every=10) == list(range(0, 90, 10))
    assert numbers(AT_30, every=10, start_s=0.1) == list(range(10, 90, 10))


def test_a_span_has_its_start_and_not_its_end():
    assert numbers(AT_30, start_s=1, end_s=2) == list(range(30, 60))


def test_nothing_behind_the_end_is_asked_for():
    asked = iter(frames(AT_30))
    list(selected(asked, end_s=1))
    assert next(asked).number == 31


@pytest.mark.parametrize("rounded", [lambda time_s: time_s, lambda time_s: round(time_s, 3)])
@pytest.mark.parametrize("step", [1, 2, 3, 5, 6, 15, 30])
def test_a_rate_that_divides_the_source_s_takes_every_nth_frame(step, rounded):
    times_s = [rounded(number / 30) for number in range(900)]  # of MP4, of Matroska
    assert numbers(times_s, fps=30 / step) == list(range(0, 900, step))


def test_a_rate_is_kept_on_average_and_in_every_second():
    times_s = np.cumsum(np.random.default_rng(0).uniform(0.005, 0.06, 3000))
    chosen = times_s[numbers(times_s.tolist(), fps=7)]
    assert len(chosen) == pytest.approx(times_s[-1] * 7, rel=0.01)
    for second in range(int(times_s[-1])):
        assert 6 <= np.sum((chosen >= second) & (chosen < second + 1)) <= 8


def test_a_rate_beyond_the_source_s_takes_every_frame():
    assert numbers(AT_30, fps=1000) == list(range(90))


def test_two_passes_choose_what_one_does():
    whole = numbers(AT_30, fps=8, start_s=0.3)
    for count in range(len(whole)):
        done = whole[:count]
        assert done + numbers(AT_30, fps=8, start_s=0.3, after=done[-1] if done else -1) == whole
