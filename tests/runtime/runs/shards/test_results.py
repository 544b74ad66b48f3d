"""What is done of a shard: there whole or not at all."""

import shutil
import threading
from dataclasses import replace

import pytest

from of3.runtime.logs.counts import Counts
from of3.runtime.logs.folder import Mode
from of3.runtime.logs.journal import Entry, Stamp
from of3.runtime.logs.tables import Chunk
from of3.runtime.runs.shards import results as parts
from of3.runtime.runs.shards.plan import Plan
from of3.runtime.runs.shards.results import (
    ShardResult,
    Task,
    join_partials,
    left,
    path_of,
    read_result,
    todo,
    whole,
    write_result,
)
from of3.runtime.types import RunError

SIZE, PICTURES = 10, 25


@pytest.fixture
def plan(tmp_path):
    """25 pictures in shards of 10."""
    return Plan(tmp_path, "in", PICTURES, 0, PICTURES, SIZE, 3, "", Mode(), "", {})


def part_of(task, identity="i"):
    rows = [b"row %d of %d\n" % (number, task.shard) for number in range(task.first, task.last)]
    ends = [sum(map(len, rows[: count + 1])) for count in range(len(rows))]
    entries = tuple(
        Entry(f"in/{task.shard}/{task.first + number}", Stamp(1, 2), True, 0, (end, 0, 0))
        for number, end in enumerate(ends)
    )
    made = ({"engines": {}, "by": task.first},)
    return ShardResult(
        task, identity, Chunk(entries, (b"".join(rows), b"")), Counts(done=task.pictures), made, 1.0, 2.0
    )


def test_a_part_comes_back_as_it_was(plan):
    for shard in range(3):
        part = part_of(whole(plan, shard))
        write_result(plan, part)
        assert read_result(plan, part.task) == part
    assert path_of(plan, whole(plan, 2)).name == "000002.zip"
    assert list(todo(plan, range(3))) == []


@pytest.mark.parametrize(
    "name", ["car\rriage", "new\nline", "back\\slash\\n", "tab\t", "\x85", "\x0b\x1c", "\udcff"]
)
def test_any_name_comes_back(plan, name):
    part = part_of(whole(plan, 0))
    entries = tuple(replace(entry, path=f"in/{name}/{n}") for n, entry in enumerate(part.chunk.entries))
    part = replace(part, chunk=replace(part.chunk, entries=entries))
    write_result(plan, part)
    assert read_result(plan, part.task) == part


def test_writing_it_again_changes_nothing(plan):
    write_result(plan, part_of(whole(plan, 0)))
    path = path_of(plan, whole(plan, 0))
    before = (path.read_bytes(), path.stat().st_ino)
    write_result(plan, part_of(whole(plan, 0), "another"))
    assert (path.read_bytes(), path.stat().st_ino) == before


def test_rivals_leave_one_whole_part_and_nothing_beside_it(plan):
    threads = [
        threading.Thread(target=write_result, args=(plan, part_of(whole(plan, 1), str(n)))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_result(plan, whole(plan, 1)).chunk == part_of(whole(plan, 1)).chunk
    assert [path.name for path in (plan.folder / "parts" / "000").iterdir()] == ["000001.zip"]
    assert list((plan.folder / "writing").iterdir()) == []


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -30])
def test_a_damaged_part_is_an_error_that_says_what_to_do(plan, cut):
    write_result(plan, part_of(whole(plan, 0)))
    path = path_of(plan, whole(plan, 0))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(RunError, match=r"000000\.zip: not to be read .*: delete it and do shard 0 again"):
        read_result(plan, whole(plan, 0))


def test_a_flipped_bit_is_an_error(plan):
    write_result(plan, part_of(whole(plan, 0)))
    path = path_of(plan, whole(plan, 0))
    content = bytearray(path.read_bytes())
    content[60] ^= 1  # in the first table
    path.write_bytes(content)
    with pytest.raises(RunError, match="not to be read"):
        read_result(plan, whole(plan, 0))


def test_a_part_of_another_shard_in_its_place_is_an_error(plan):
    write_result(plan, part_of(whole(plan, 0)))
    shutil.copy(path_of(plan, whole(plan, 0)), path_of(plan, whole(plan, 1)))
    with pytest.raises(RunError, match="another shard"):
        read_result(plan, whole(plan, 1))


@pytest.mark.parametrize(
    ("partials", "left"),
    [
        ([], [(0, 10)]),
        ([(0, 4)], [(4, 10)]),
        ([(4, 7)], [(0, 4), (7, 10)]),
        ([(0, 4), (7, 10)], [(4, 7)]),
        (
            [(0, 5), (0, 8), (3, 9)],
            [(5, 10)],
        ),  # of two machines at the same shard: those that lie across are of no use
        ([(0, 5), (5, 10)], []),
    ],
)
def test_what_is_left_of_a_shard_is_what_no_piece_has(plan, partials, left):
    for first, last in partials:
        write_result(plan, part_of(Task(1, first, last)))
    assert list(todo(plan, [1])) == [Task(1, first, last) for first, last in left]
    for task in todo(plan, [1]):
        write_result(plan, part_of(task))
    join_partials(plan, 1)
    joined = read_result(plan, whole(plan, 1))
    assert joined.chunk == part_of(whole(plan, 1)).chunk
    assert joined.counts.done == SIZE
    assert [path.name for path in path_of(plan, whole(plan, 1)).parent.iterdir()] == ["000001.zip"]


def test_what_is_left_of_a_task_is_what_neither_part_nor_piece_has(plan):
    for first, last in [(1, 3), (5, 6), (8, 10)]:
        write_result(plan, part_of(Task(0, first, last)))
    assert left(plan, Task(0, 0, 10)) == [Task(0, 0, 1), Task(0, 3, 5), Task(0, 6, 8)]
    assert left(plan, Task(0, 2, 7)) == [Task(0, 2, 5), Task(0, 6, 7)]
    assert left(plan, Task(0, 8, 10)) == []
    write_result(plan, part_of(whole(plan, 0)))
    assert left(plan, Task(0, 2, 7)) == []


def test_pieces_with_a_gap_are_kept_and_not_joined(plan):
    for first, last in [(0, 4), (5, 10)]:
        write_result(plan, part_of(Task(0, first, last)))
    join_partials(plan, 0)
    assert list(todo(plan, [0])) == [Task(0, 4, 5)]


def test_pieces_of_different_runs_are_not_joined(plan):
    write_result(plan, part_of(Task(0, 0, 4)))
    write_result(plan, part_of(Task(0, 4, 10), "another"))
    with pytest.raises(RunError, match="its partials were made by different runs"):
        join_partials(plan, 0)


def test_thousands_of_shards_are_spread_over_folders(plan):
    large = replace(plan, pictures=2_500_000, shard_size=1000, shards=2500)
    assert path_of(large, whole(large, 2345)).relative_to(plan.folder).parts == ("parts", "002", "002345.zip")
    write_result(large, part_of(Task(2345, 0, 1000)))
    left = list(todo(large, range(large.shards)))
    assert len(left) == 2499
    assert whole(large, 2345) not in left


def test_the_name_of_a_part_says_which_pictures(plan):
    assert path_of(plan, Task(0, 2, 5)).name == "000000.00002-00005.zip"
    assert parts.path_of(plan, Task(2, 0, 5)).name == "000002.zip"  # the last shard has five
