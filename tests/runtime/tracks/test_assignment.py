"""The largest sum, one to one."""

from itertools import permutations

import numpy as np
import pytest

from of3.runtime.tracks.assignment import pairs


def best_sum(scores):
    """By trying all."""
    wide = np.maximum(scores if len(scores) <= scores.shape[1] else scores.T, 0)
    every = permutations(range(wide.shape[1]), len(wide))
    return max(sum(wide[row, column] for row, column in enumerate(columns)) for columns in every)


@pytest.mark.parametrize("ties", [False, True])
def test_the_sum_is_the_largest_there_is(ties):
    chance = np.random.default_rng(0)
    for _ in range(400):
        shape = chance.integers(1, 6, 2)
        scores = chance.integers(-2, 4, shape).astype(float) if ties else chance.normal(size=shape)
        found = pairs(scores)
        assert len({row for row, _ in found}) == len({column for _, column in found}) == len(found)
        assert all(scores[pair] > 0 for pair in found)
        assert sum(scores[pair] for pair in found) == pytest.approx(best_sum(scores))


def test_a_hidden_order_of_forty_is_found():
    chance = np.random.default_rng(1)
    order = chance.permutation(40)
    scores = chance.uniform(0, 0.5, (40, 40))
    scores[np.arange(40), order] += 0.5
    assert pairs(scores) == list(enumerate(order))


def test_the_best_pair_gives_way_to_the_best_sum():
    assert pairs(np.array([[0.9, 0.8], [0.8, 0.0]])) == [(0, 1), (1, 0)]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (2, 3)])
def test_where_nothing_scores_there_is_no_pair(shape):
    assert pairs(np.zeros(shape)) == []
