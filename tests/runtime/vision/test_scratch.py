import numpy as np
import pytest

from of3.runtime.vision.scratch import Shelf


def test_the_next_user_gets_the_same_memory():
    shelf = Shelf(100)
    with shelf.lent() as first:
        array = first.floats("a", 2, 3)
    with shelf.lent() as second:
        assert second is first
        assert np.shares_memory(second.pixels("a", 24), array)


def test_users_at_the_same_time_get_memory_of_their_own():
    shelf = Shelf(100)
    with shelf.lent() as one, shelf.lent() as other:
        assert not np.shares_memory(one.floats("a", 6), other.floats("a", 6))


def test_names_do_not_overlap_and_grow_as_they_are_asked():
    with Shelf(100).lent() as scratch:
        first, other = scratch.floats("a", 2), scratch.floats("b", 2)
        first[...], other[...] = 1, 2
        assert (first == 1).all()
        assert scratch.floats("a", 5, 4).shape == (5, 4)
        assert scratch.size_bytes == 80 + 8


@pytest.mark.parametrize(("size_bytes", "is_kept"), [(100, True), (101, False)])
def test_what_is_larger_than_most_is_let_go(size_bytes, is_kept):
    shelf = Shelf(100)
    with shelf.lent() as first:
        first.pixels("a", size_bytes)
    with shelf.lent() as second:
        assert (second is first) == is_kept
