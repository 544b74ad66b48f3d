import numpy as np
import pytest

from of3.runtime.vision.bands import LONG, bands, margins, taps

LENGTHS = [1, 2, 97, 223, 224, 225, 300, 512, 1000, 5000, LONG + 1]


def dense(length, side):
    """What the bands do, by their definition: (side,length), and what they do outside."""
    before, after = margins(length, side)
    out = np.full((side, before + length + after), np.nan)
    for band in bands(length, side):
        groups, each, _, reach = band.taps.shape
        for group, one in np.ndindex(groups, each):
            row, start = band.first + group * each + one, band.lo + group * band.leap + one * band.step
            assert band.lo <= start <= start + reach <= band.hi
            assert np.isnan(out[row]).all()
            out[row] = 0
            out[row, before + start : before + start + reach] = band.taps[group, one, 0]
    return out[:, before : before + length], np.delete(out, np.s_[before : before + length], axis=1)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("side", [224, 7])
def test_every_output_pixel_is_made_once_by_the_taps_of_torch(length, side):
    inside, outside = dense(length, side)
    low, weights = taps(length, side, slice(0, side))
    want = np.zeros((side, length + weights.shape[1]))
    np.put_along_axis(want, low[:, None] + np.arange(weights.shape[1]), weights, axis=1)
    np.testing.assert_array_equal(inside, want[:, :length])
    np.testing.assert_array_equal(outside, 0)


@pytest.mark.parametrize("length", [1, 2, 223, 225, 1000])
def test_taps_add_up_to_one(length):
    np.testing.assert_allclose(taps(length, 224, slice(0, 224))[1].sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("length", [97, 224, 300, 512, 1024, 1194, 3000])
def test_strides_stray_by_few_pixels(length):
    narrowest = taps(length, 224, slice(0, 224))[1].shape[1]
    assert max(band.taps.shape[3] for band in bands(length, 224)) <= narrowest + 6


def test_a_band_filters_rows_wherever_they_begin():
    before, after = margins(97, 224)
    rows = np.zeros((5 + before + 97 + after, 12), np.float32)
    rows[5 + before : 5 + before + 97] = np.random.default_rng(0).random((97, 12), np.float32)
    out = np.full((224, 9), np.nan, np.float32)
    for band in bands(97, 224):
        band.apply(rows, 5 + before + band.lo, out[band.first : band.first + band.size])
    want = dense(97, 224)[0] @ rows[5 + before : 5 + before + 97, :9]
    np.testing.assert_allclose(out, want, atol=1e-6)
