"""What is done of a shard: there whole or not at all."""

import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest

from of3.runtime.logs.folder import Mode
from of3.runtime.logs.items import Item, Stamp
from of3.runtime.logs.made import OutputNames, Run
from of3.runtime.logs.rows import RowOptions
from of3.runtime.logs.store import store_of
from of3.runtime.runs.shards.plan import Plan
from of3.runtime.runs.shards.results import Part, Task, chains, done_path, left, read_part, todo, whole
from of3.runtime.types import Failure, RunError

SIZE, PICTURES = 10, 25
RUN = Run({"of": "this"}, RowOptions(), "in", OutputNames(("neutral",), ("yaw", "pitch"), {1: 0}), {})


@pytest.fixture
def plan(tmp_path):
    """25 pictures in shards of 10."""
    return Plan(tmp_path, "in", PICTURES, 0, PICTURES, SIZE, 3, "", Mode(), "", {})


def results_of(task, name=""):
    return [
        (Failure(path, "read", f"{number} of {task.shard}"), Item(path, Stamp(1, 2), number % 3))
        for number in range(task.first, task.last)
        for path in [f"in/{name}{task.shard}/{number}"]
    ]


def publish(plan, task, name="", by="a"):
    with Part(RUN) as part:
        part.add(part.entries([(item, result) for result, item in results_of(task, name)]))
        part.publish(plan, task, {"by": by}, 1.0, 2.0)


def read(plan, task):
    with store_of(read_part(plan, task), plan.folder) as part:
        return [(result, item) for item, result in part.results(1)]


def file_of(plan, task):
    return done_path(plan, task).with_name(done_path(plan, task).read_text().split()[1])


def test_a_part_comes_back_as_it_was(plan):
    for shard in range(3):
        task = whole(plan, shard)
        publish(plan, task)
        assert read(plan, task) == results_of(task)
        with store_of(read_part(plan, task), plan.folder) as part:
            assert part.run(1) == RUN
            assert [(s.made, s.started_s, s.ended_s) for s in part.sessions()] == [({"by": "a"}, 1.0, 2.0)]
    assert list(todo(plan, range(3))) == []


def test_its_digest_is_what_sha256sum_says(plan):
    import subprocess

    publish(plan, whole(plan, 0))
    done = done_path(plan, whole(plan, 0))
    subprocess.run(["sha256sum", "--check", done.name], cwd=done.parent, check=True, capture_output=True)


@pytest.mark.parametrize(
    "name", ["car\rriage", "new\nline", "back\\slash\\n", "tab\t", "\x85", "\x0b\x1c", "\udcff"]
)
def test_any_name_comes_back(plan, name):
    publish(plan, whole(plan, 0), name)
    assert read(plan, whole(plan, 0)) == results_of(whole(plan, 0), name)


def test_publishing_it_again_changes_nothing(plan):
    publish(plan, whole(plan, 0))
    before = {
        path: (path.read_bytes(), path.stat().st_ino)
        for path in done_path(plan, whole(plan, 0)).parent.iterdir()
    }
    publish(plan, whole(plan, 0), by="another")
    assert before == {path: (path.read_bytes(), path.stat().st_ino) for path in before}
    assert len(before) == 2


def test_rivals_leave_one_part_that_is_whole(plan):
    threads = [threading.Thread(target=publish, args=(plan, whole(plan, 1), "", str(n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(plan, whole(plan, 1)) == results_of(whole(plan, 1))
    assert len(list(done_path(plan, whole(plan, 1)).parent.glob("*.done"))) == 1
    assert list((plan.folder / "writing").iterdir()) == []


def test_a_flipped_bit_or_a_cut_is_an_error_that_says_what_to_do(plan):
    task, chance = whole(plan, 0), np.random.default_rng(0)
    publish(plan, task)
    for path in (file_of(plan, task), done_path(plan, task)):
        content = path.read_bytes()
        flipped = [bytearray(content) for _ in range(200)]
        for each in flipped:
            each[chance.integers(len(content))] ^= 1 << int(chance.integers(8))
        cut = [content[:size] for size in (0, 1, len(content) // 2, len(content) - 1)]
        for spoilt in (*flipped, *cut):
            path.write_bytes(spoilt)
            with pytest.raises(RunError, match=r"\.done: not to be read .*: delete it and do shard 0 again"):
                read_part(plan, task)
        path.write_bytes(content)
    assert read(plan, task) == results_of(task)


def test_a_part_that_is_gone_is_an_error(plan):
    publish(plan, whole(plan, 0))
    file_of(plan, whole(plan, 0)).unlink()
    with pytest.raises(RunError, match="not to be read"):
        read_part(plan, whole(plan, 0))


@pytest.mark.parametrize(
    ("done", "left"),
    [
        ([], [(0, 10)]),
        ([(0, 4)], [(4, 10)]),
        ([(4, 7)], [(0, 4), (7, 10)]),
        ([(0, 4), (7, 10)], [(4, 7)]),
        ([(0, 5), (0, 8), (3, 9)], [(8, 10)]),  # of two machines at one shard: what lies across is of no use
        ([(0, 5), (5, 10)], []),
        ([(0, 10), (0, 5)], []),
    ],
)
def test_what_is_left_of_a_shard_is_what_nobody_did(plan, done, left):
    for first, last in done:
        publish(plan, Task(1, first, last))
    assert list(todo(plan, [1])) == [Task(1, first, last) for first, last in left]
    for task in [*todo(plan, [1]), whole(plan, 0), whole(plan, 2)]:
        publish(plan, task)
    found = list(chains(plan))[1]
    assert [task.first for task in found] == [0, *(task.last for task in found[:-1])]
    assert found[-1].last == SIZE


def test_what_is_left_of_a_task_is_what_nobody_did(plan):
    for first, last in [(1, 3), (5, 6), (8, 10)]:
        publish(plan, Task(0, first, last))
    assert left(plan, Task(0, 0, 10)) == [Task(0, 0, 1), Task(0, 3, 5), Task(0, 6, 8)]
    assert left(plan, Task(0, 3, 7)) == [Task(0, 3, 5), Task(0, 6, 7)]
    assert left(plan, Task(0, 8, 10)) == []
    publish(plan, whole(plan, 0))
    assert left(plan, Task(0, 2, 7)) == []


def test_thousands_of_shards_are_spread_over_folders(plan):
    large = replace(plan, pictures=2_500_000, shard_size=1000, shards=2500)
    place = done_path(large, whole(large, 2345)).relative_to(plan.folder)
    assert place.parts == ("parts", "002", "002345.00000-01000.done")
    publish(large, Task(2345, 0, 1000))
    found = list(todo(large, range(large.shards)))
    assert len(found) == 2499
    assert whole(large, 2345) not in found


def test_a_part_of_another_shard_in_its_place_is_told_by_its_pictures(plan):
    """By the merge: here it is whole."""
    publish(plan, whole(plan, 0))
    shutil.copy(done_path(plan, whole(plan, 0)), done_path(plan, whole(plan, 1)))
    assert read(plan, whole(plan, 1)) == results_of(whole(plan, 0))
