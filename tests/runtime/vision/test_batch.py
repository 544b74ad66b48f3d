import numpy as np
import pytest

from of3.runtime.types import Batch, Failure, Sample
from of3.runtime.vision.batch import NO_PATCHES, batch_of, blanks, joined


def filled(blank, fails=()):
    """What a worker makes of a blank: each picture's tensor holds its number, those that fail leave none."""
    items: list[tuple[int, Sample | Failure]] = []
    row = 0
    for number, _ in blank.sources:
        if number in fails:
            items.append((number, Failure(str(number), "read", "unreadable")))
            continue
        blank.faces[row] = number
        items.append((number, Sample(str(number), "", blank.faces[row], None, None)))
        row += 1
    return Batch(items, blank.faces[:row], NO_PATCHES)


def sources(count):
    return [(number, None) for number in range(count)]


@pytest.mark.parametrize(("count", "rows", "size"), [(20, 8, 3), (16, 8, 8), (7, 64, 2), (3, 1, 8)])
def test_slices_are_filled_in_their_batchs_array_and_nothing_is_copied(count, rows, size):
    made = list(blanks(sources(count), rows, size))
    batches = list(joined(map(filled, made), rows))
    assert [len(batch.items) for batch in batches[:-1]] == [rows] * (len(batches) - 1)
    assert [key for batch in batches for key, _ in batch.items] == list(range(count))
    for batch in batches:
        np.testing.assert_array_equal(batch.faces[:, 0, 0, 0], [key for key, _ in batch.items])
        for _, item in batch.items:
            assert isinstance(item, Sample)
            assert np.shares_memory(batch.faces, item.tensor)


@pytest.mark.parametrize("fails", [{0}, {5, 6}, {7}, set(range(4, 8)), set(range(20))])
def test_where_pictures_failed_the_others_move_up(fails):
    batches = list(joined((filled(blank, fails) for blank in blanks(sources(20), 8, 4)), 8))
    assert [key for batch in batches for key, _ in batch.items] == list(range(20))
    for batch in batches:
        want = [key for key, item in batch.items if isinstance(item, Sample)]
        np.testing.assert_array_equal(batch.faces[:, 0, 0, 0], want)
        assert batch.faces.flags.c_contiguous


def test_samples_made_one_by_one_become_a_batch_without_those_that_failed():
    tensors = [np.full((3, 224, 224), number, np.float32) for number in range(3)]
    items: list[tuple[int, Sample | Failure]] = [
        (number, Sample(str(number), "", each, None, None)) for number, each in enumerate(tensors)
    ]
    batch = batch_of([*items, (3, Failure("3", "read", "unreadable"))], None)
    np.testing.assert_array_equal(batch.faces, tensors)
    assert len(batch.items) == 4
    assert len(batch.patches) == 0
