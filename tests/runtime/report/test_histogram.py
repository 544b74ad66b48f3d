import numpy as np

from of3.runtime.report.histogram import Histogram, Plane


def counted(*parts, low=0.0, high=1.0):
    histogram = Histogram(low, high)
    for part in parts:
        histogram.add(np.array(part, np.float32))
    return histogram


def test_parts_are_counted_as_the_whole_is():
    values = np.random.default_rng(0).random(1000, np.float32)
    found = counted(*np.split(values, 10))
    assert found.bins == np.histogram(values, found.edges)[0].tolist()
    want = (values.mean(), values.std(), np.median(values), values.min(), values.max())
    np.testing.assert_allclose(
        (found.mean, found.deviation, found.median, found.least, found.most), want, atol=1 / 400
    )


def test_what_is_not_known_is_not_counted():
    assert counted([np.nan, 0.5]).total == 1
    assert counted([np.nan]).total == 0


def test_what_lies_beyond_the_range_is_in_the_outermost_bins():
    found = counted([-5, 7, 1])
    assert (found.bins[0], found.bins[-1]) == (1, 2)
    assert (found.least, found.most) == (-5, 7)


def test_a_median_is_never_beyond_the_values():
    assert counted([0.5013]).median == np.float32(0.5013)


def test_one_value_throughout_is_constant_and_one_alone_is_not():
    assert counted([0.2, 0.2]).is_constant
    assert not counted([0.2]).is_constant
    assert not counted([0.2, 0.3]).is_constant


def test_pairs_are_counted_where_they_lie():
    plane = Plane(-1.0, 1.0, drawn=2)
    plane.add(np.array([[-0.5, 0.5], [0.5, 0.5], [9, 9], [np.nan, 0]], np.float32))
    assert plane.counts.tolist() == [[0, 1], [0, 2]]
