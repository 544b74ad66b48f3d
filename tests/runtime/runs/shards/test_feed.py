"""How many processes a GPU gets, by what was measured and what they take; and whether it is worth measuring."""

import pytest

from of3.runtime.logs.folder import Mode
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.shards import feed
from of3.runtime.runs.shards.feed import Feed, Room, feed_for, feed_of, first_of
from of3.runtime.runs.shards.plan import find_plan, replace_plan
from of3.runtime.runs.shards.planning import asked_of, planned
from of3.runtime.runs.shards.rates import GpuMemory, Rates
from of3.runtime.runs.shards.results import Task, todo

AMPLE = Room(cores=64, memory_bytes=256e9)
MUCH = GpuMemory(free_bytes=70 << 30, each_bytes=2 << 30)


def test_as_many_as_the_engine_takes():
    assert feed_of(Rates(9100.4, 3000.2, MUCH), AMPLE) == Feed(
        3, "3 processes a GPU: its engine does 9100 images/s, one process feeds it 3000"
    )
    assert feed_of(Rates(10100.0, 3000.0, MUCH), AMPLE).a_gpu == 4


def test_an_engine_that_one_process_keeps_busy_gets_one():
    """From file to files it is never as fast as alone."""
    assert feed_of(Rates(400.0, 370.0, MUCH), AMPLE) == Feed(
        1, "1 process a GPU: its engine does 400 images/s, one process feeds it 370"
    )
    assert feed_of(Rates(400.0, 350.0, MUCH), AMPLE).a_gpu == 2
    assert feed_of(Rates(400.0, 500.0, MUCH), AMPLE).a_gpu == 1


@pytest.mark.parametrize(
    ("memory", "room", "a_gpu", "lacks"),
    [
        (MUCH, Room(7, 256e9), 3, "at 2 cores each there is no room for more"),
        (MUCH, Room(1, 256e9), 1, "at 2 cores each there is no room for more"),
        (MUCH, Room(64, 5.5e9), 5, "at 1.1 GB of memory each there is no room for more"),
        (GpuMemory(3 << 30, 2 << 30), AMPLE, 2, "at 2.1 GB of its memory each there is no room for more"),
        (GpuMemory(0, 2 << 30), AMPLE, 1, "at 2.1 GB of its memory each there is no room for more"),
        (None, AMPLE, 4, "but nobody says how much memory it has"),
    ],
    ids=["cores", "one core", "memory", "the GPU's memory", "a full GPU", "CUDA cannot be asked"],
)
def test_no_more_than_there_is_room_for_and_the_line_says_of_what(memory, room, a_gpu, lacks):
    found = feed_of(Rates(11000.0, 1500.0, memory), room)
    assert found.a_gpu == a_gpu
    assert f"{a_gpu} process{'es' * (a_gpu > 1)} a GPU (7 would feed it, {lacks}): its engine" in found.why


def test_memory_that_nobody_tells_of_is_no_limit():
    assert feed_of(Rates(13000.0, 1500.0, MUCH), Room(64, None)).a_gpu == 8


@pytest.fixture
def plan(options, logs):
    """Six pictures in shards of four."""
    asked = options("--shard_size", "4")
    replace_plan(logs, planned(asked, logs, 2, Mode(), asked_of(asked)).folder)
    return find_plan(logs)


def test_a_run_that_is_over_in_seconds_is_not_measured_for(options, plan):
    tasks = list(todo(plan, range(plan.shards)))
    assert feed_for(options("--device", "cuda"), plan, tasks, ["0"], Interruption(())) == Feed(1, "")


def test_it_is_measured_on_pictures_that_are_left(plan, monkeypatch):
    tasks = [Task(0, 2, 4), Task(1, 0, 2)]
    assert first_of(plan, tasks) == [*plan.items(0)[2:], *plan.items(1)]
    monkeypatch.setattr(feed, "MEASURED_ON", 3)
    assert first_of(plan, tasks) == [*plan.items(0)[2:], plan.items(1)[0]]
