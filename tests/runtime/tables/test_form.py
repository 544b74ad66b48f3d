"""Rows of ours on their way into another program's table."""

import pytest

from of3.runtime.logs.columns import MOMENT, Value
from of3.runtime.logs.rows import faces_columns
from of3.runtime.tables.form import numbered

COLUMNS = faces_columns(0)


def row(path, face_id) -> list[Value]:
    return [path, path, face_id, *[None] * (len(COLUMNS) - 3)]


@pytest.mark.parametrize(
    ("faces", "numbers"),
    [
        ([("a", 0), ("a", 1), ("b", 0), ("c", None)], [0, 0, 1, 2]),
        ([("a", 0), ("a", 0), ("a", 0)], [0, 1, 2]),
        ([("a", 0), ("a", 1), ("a", 0), ("a", 1)], [0, 0, 1, 1]),
        ([("a", None), ("a", None), ("a", 0), ("a", 1), ("a", None)], [0, 1, 2, 2, 3]),
    ],
)
def test_each_time_that_a_picture_was_analysed_has_its_own_number(faces, numbers):
    assert [each.frame for each in numbered(COLUMNS, [row(*face) for face in faces])] == numbers


def test_frames_have_the_number_that_they_have_in_their_video():
    frames: list[list[Value]] = [[7, 0.1, "pts"], [7, 0.1, "pts"], [9, 0.2, "pts"]]
    assert [each.frame for each in numbered(MOMENT, frames)] == [7, 7, 9]
