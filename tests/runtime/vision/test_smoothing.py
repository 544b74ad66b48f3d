import math
import pickle

import numpy as np
import pytest

from of3.runtime.vision.smoothing import OneEuro

EVERY_30TH_S = np.arange(0, 20, 1 / 30)


def smoothed(times_s, values, smooth_s=0.1, unit=1.0):
    """(T,...) values at the times -> (T,...) what the filter makes of them."""
    euro = OneEuro(smooth_s)
    state, out = euro.first(times_s[0], values[0]), []
    out.append(state.values)
    for time_s, frame in zip(times_s[1:], values[1:], strict=True):
        state = euro.after(state, time_s, frame, unit)
        out.append(state.values)
    return np.array(out)


def step(times_s, height):
    return np.where(times_s > 1, height, 0.0)[:, None]


def test_the_first_values_are_unchanged():
    values = np.array([[3.5, -2.0], [8.0, 9.0]], np.float32)
    state = OneEuro(0.5).first(12.0, values)
    np.testing.assert_array_equal(state.values, values)
    assert state.values.dtype == np.float64


def test_what_does_not_change_stays():
    values = np.full((600, 98, 2), 123.4)
    np.testing.assert_allclose(smoothed(EVERY_30TH_S, values), values, rtol=1e-12)


def test_a_step_is_reached_and_not_overshot():
    out = smoothed(EVERY_30TH_S, step(EVERY_30TH_S, 0.5))[:, 0]
    assert np.all(np.diff(out) >= 0)
    assert out[EVERY_30TH_S > 1.2][0] > 0.45
    assert out[-1] == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("smooth_s", [0.1, 0.5])
def test_a_small_step_is_made_to_63_per_cent_in_the_time_constant(smooth_s):
    times_s = np.arange(0, 3, 0.001)
    out = smoothed(times_s, step(times_s, 1e-6), smooth_s)[:, 0]
    assert np.interp(1 + smooth_s, times_s, out) == pytest.approx(1e-6 * (1 - 1 / math.e), rel=0.01)


@pytest.mark.parametrize(("smooth_s", "factor"), [(0.05, 1.9), (0.1, 2.3), (0.5, 4.5)])
def test_jitter_is_reduced(smooth_s, factor):
    noise = np.random.default_rng(1).normal(0, 0.005, (len(EVERY_30TH_S), 4))
    out = smoothed(EVERY_30TH_S, noise, smooth_s)[60:]
    assert noise.std() / out.std() > factor


@pytest.mark.parametrize("smooth_s", [0.1, 0.5])
def test_what_moves_fast_is_followed_within_35_ms(smooth_s):
    out = smoothed(EVERY_30TH_S, EVERY_30TH_S[:, None], smooth_s)[:, 0]
    assert 0 < EVERY_30TH_S[-1] - out[-1] < 0.035


@pytest.mark.parametrize("frames_per_s", [10, 30, 120])
def test_the_lag_does_not_depend_on_the_rate(frames_per_s):
    times_s = np.arange(0, 20, 1 / frames_per_s)
    slow = 0.1 * times_s[:, None]
    assert (slow - smoothed(times_s, slow))[-1] / 0.1 == pytest.approx(0.076, abs=0.001)


def test_steps_of_any_length_give_nearly_the_same():
    uneven_s = np.cumsum(np.random.default_rng(2).uniform(0.002, 0.05, 800))
    even_s = np.arange(0, uneven_s[-1], 0.002)
    uneven, even = (smoothed(times_s, np.sin(2 * times_s)[:, None])[:, 0] for times_s in (uneven_s, even_s))
    settled = uneven_s > 2
    assert np.abs(uneven - np.interp(uneven_s, even_s, even))[settled].max() < 0.02
    assert np.abs(uneven - np.sin(2 * uneven_s))[settled].max() > 0.04  # it does lag


def test_after_a_gap_the_past_hardly_counts():
    euro = OneEuro(0.1)
    state = euro.first(0.0, np.zeros(2))
    np.testing.assert_allclose(euro.after(state, 5.0, np.full(2, 0.3), 1.0).values, 0.3, rtol=0.02)


def test_the_unit_only_scales():
    path = np.cumsum(np.random.default_rng(3).normal(0, 0.02, (600, 2)), axis=0)
    in_px = smoothed(EVERY_30TH_S, 200 * path, unit=200.0)
    np.testing.assert_allclose(in_px, 200 * smoothed(EVERY_30TH_S, path), rtol=1e-9)


def test_each_value_is_smoothed_by_itself():
    values = np.concatenate([step(EVERY_30TH_S, 1.0), 0.001 * np.sin(40 * EVERY_30TH_S)[:, None]], axis=1)
    together = smoothed(EVERY_30TH_S, values)
    np.testing.assert_array_equal(together[:, 1], smoothed(EVERY_30TH_S, values[:, 1:])[:, 0])


def test_frames_of_one_time_are_one_frame():
    euro = OneEuro(0.1)
    state = euro.after(euro.first(0.0, np.zeros(1)), 0.1, np.ones(1), 1.0)
    assert euro.after(state, 0.1, np.full(1, 7.0), 1.0) is state


def test_a_frame_out_of_order_is_refused():
    euro = OneEuro(0.1)
    with pytest.raises(ValueError, match=r"got a frame of 1.0 s after one of 2.0 s, want them in order"):
        euro.after(euro.first(2.0, np.zeros(1)), 1.0, np.zeros(1), 1.0)


def test_a_state_goes_on_in_another_process():
    euro = OneEuro(0.1)
    state = euro.after(euro.first(0.0, np.zeros(3)), 0.1, np.ones(3), 1.0)
    again, other = pickle.loads(pickle.dumps((euro, state)))
    np.testing.assert_array_equal(
        again.after(other, 0.2, np.ones(3), 1.0).values, euro.after(state, 0.2, np.ones(3), 1.0).values
    )
