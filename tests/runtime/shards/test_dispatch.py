"""Tasks on workers that are lost, by a crew of this process that is told which pictures kill."""

import logging
import signal
from collections import Counter
from concurrent.futures import Future

import pytest

from of3.runtime.interruption import Interruption
from of3.runtime.logs import Mode
from of3.runtime.shards import dispatch
from of3.runtime.shards.crew import Lost, Seen
from of3.runtime.shards.dispatch import Dispatch
from of3.runtime.shards.parts import Task, read_part, todo, whole
from of3.runtime.shards.plan import find_plan, replace_plan
from of3.runtime.shards.run import asked_of, planned
from of3.runtime.shards.work import Member
from of3.runtime.types import RunBroken, RunError


def settled(value=None, error=None):
    future = Future()
    future.set_exception(error) if error else future.set_result(value)
    return future


class Inline:
    """Crew and worker in one; tasks are done at once, or lose their worker."""

    def __init__(self, member, kills=lambda task, count: False, size=2):
        self.member, self.kills, self.size = member, kills, size
        self.tried = Counter()
        self.hired = 0

    def hire(self, plan, place):
        self.hired += 1
        return self

    @property
    def opened(self):
        return settled(self.member.opened())

    def run(self, task):
        self.tried[task] += 1
        if self.kills(task, self.tried[task]):
            return settled(error=Lost("its process was ended by SIGSEGV"))
        results = list(self.member.run_shard(task))
        return settled(Seen(len(results), 0))

    def seen(self):
        return Seen()

    def stop(self):
        pass

    def close(self):
        pass


@pytest.fixture
def plan(options, logs):
    """Six pictures in shards of four."""
    asked = options("--shard_size", "4", "--extra_csv", "on")
    replace_plan(logs, planned(asked, logs, 2, Mode(), asked_of(asked)).folder)
    return find_plan(logs)


@pytest.fixture
def member(plan, options):
    with Member(options("--extra_csv", "on"), plan) as made:
        yield made


def dispatched(plan, crew, interruption=None):
    made = Dispatch(plan, crew, todo(plan, range(plan.shards)), interruption or Interruption())
    list(made.run())
    return made


def reasons(plan):
    return [read_part(plan, whole(plan, shard)).tally.failed for shard in range(plan.shards)]


def test_every_task_is_done_once(plan, member):
    crew = Inline(member)
    made = dispatched(plan, crew)
    assert made.seen().pictures == 6
    assert set(crew.tried.values()) == {1}
    assert list(todo(plan, range(2))) == []


def test_a_picture_that_kills_is_found_and_its_neighbours_are_kept(plan, member):
    crew = Inline(member, lambda task, _: task.shard == 0 and task.first <= 2 < task.last)
    made = dispatched(plan, crew)
    assert crew.tried[Task(0, 2, 3)] == 3
    assert crew.tried[Task(0, 3, 4)] == 1
    assert crew.hired == 2 + 2 + 3  # and one for each death: 4 pictures, 2, then three times 1
    assert reasons(plan) == [{"unreadable": 1, "killed its worker 3 times": 1}, {}]
    assert (made.seen().pictures, made.seen().failed) == (6, 1)


def test_a_worker_lost_by_chance_costs_no_row(plan, member):
    crew = Inline(member, lambda task, count: count == 1)  # every task loses its first worker
    dispatched(plan, crew)
    assert reasons(plan) == [{"unreadable": 1}, {}]


def test_a_pictures_last_trial_is_alone(plan, member, monkeypatch):
    """What else runs may be what kills: here every picture dies while another task is under way."""
    crew = Inline(member)
    made = Dispatch(plan, crew, todo(plan, range(2)), Interruption())
    monkeypatch.setattr(crew, "kills", lambda task, _: len(made._running) > 0)
    list(made.run())
    assert reasons(plan) == [{"unreadable": 1}, {}]


def test_workers_that_are_lost_whatever_they_do_end_the_run(plan, member, monkeypatch):
    monkeypatch.setattr(dispatch, "DEATHS_IN_A_ROW", 5)
    with pytest.raises(RunBroken, match="5 workers were lost in a row, the last one its process was ended by"):
        dispatched(plan, Inline(member, lambda *_: True))


def test_a_crew_that_never_comes_up_ends_the_run(plan, member, monkeypatch):
    class Absent(Inline):
        opened = Future()

    monkeypatch.setattr(dispatch, "START_WITHIN_S", 0.1)
    monkeypatch.setattr(dispatch, "LOOK_EVERY_S", 0.05)
    with pytest.raises(RunBroken, match="no worker could start within"):
        dispatched(plan, Absent(member))


def test_a_picture_that_holds_its_worker_up_for_ever_is_found_too(plan, member, monkeypatch):
    class Caught(Inline):
        def run(self, task):
            if task.shard == 0 and task.first <= 2 < task.last:
                self.never = Future()
                return self.never
            return super().run(task)

        def close(self):
            if hasattr(self, "never") and not self.never.done():
                self.never.set_exception(Lost("its process was ended by SIGKILL"))

    monkeypatch.setattr(dispatch, "STUCK_AFTER_S", 0.2)
    monkeypatch.setattr(dispatch, "LOOK_EVERY_S", 0.05)
    dispatched(plan, Caught(member))
    assert reasons(plan) == [{"unreadable": 1, "killed its worker 3 times": 1}, {}]
    chunk = read_part(plan, whole(plan, 0)).chunk
    assert b"killed its worker 3 times: no picture was done within 0 s" in chunk.contents[1]


def test_what_a_worker_cannot_do_is_the_runs_error(plan, member):
    class Unable(Inline):
        @property
        def opened(self):
            return settled(error=RunError("no bundle"))

    with pytest.raises(RunError, match="no bundle"):
        dispatched(plan, Unable(member))


def test_a_signal_starts_no_other_task(plan, member):
    interruption = Interruption(())
    crew = Inline(member, size=1)
    done = crew.run

    def noted(task):
        interruption.note(signal.SIGINT)
        return done(task)

    crew.run = noted
    dispatched(plan, crew, interruption)
    assert len(list(todo(plan, range(2)))) == 1


def test_a_shard_that_another_machine_did_meanwhile_is_left_as_it_is(plan, member, logs):
    tasks = list(todo(plan, range(plan.shards)))
    dispatched(plan, Inline(member))
    before = {path: path.stat().st_mtime_ns for path in logs.rglob("*") if path.is_file()}
    made = Dispatch(plan, Inline(member), tasks, Interruption())
    list(made.run())
    assert {path: path.stat().st_mtime_ns for path in logs.rglob("*") if path.is_file()} == before


def test_no_worker_is_hired_for_nothing(plan, member):
    dispatched(plan, Inline(member))
    again = Inline(member)
    dispatched(plan, again)
    assert again.hired == 0


def test_what_runs_is_said_once(plan, member, caplog):
    caplog.set_level(logging.INFO, "of3")
    dispatched(plan, Inline(member))
    assert caplog.text.count("STAND-IN WEIGHTS") == 1
