"""Tasks on workers that are lost, by a pool of this process that is told which pictures kill."""

import logging
import signal
from collections import Counter
from concurrent.futures import Future
from typing import Any

import pytest

from of3.runtime.logs.counts import Counts
from of3.runtime.logs.folder import Mode
from of3.runtime.logs.store import store_of
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.progress import follow
from of3.runtime.runs.shards import dispatch
from of3.runtime.runs.shards.dispatch import Dispatch
from of3.runtime.runs.shards.plan import find_plan, replace_plan
from of3.runtime.runs.shards.planning import asked_of, planned
from of3.runtime.runs.shards.pool import WorkerLost
from of3.runtime.runs.shards.results import Task, chains, read_part, todo
from of3.runtime.runs.shards.work import ShardSession
from of3.runtime.types import Failure, RunBroken, RunError


def settled(value=None, error=None):
    future: Future[Any] = Future()
    future.set_exception(error) if error else future.set_result(value)
    return future


class Inline:
    """WorkerPool and worker in one; tasks are done at once, or lose their worker."""

    def __init__(self, session, kills=lambda task, count: False, size=2):
        self.session, self.kills, self.size = session, kills, size
        self.tried: Counter[Task] = Counter()
        self.started = 0

    def prepare(self, plan, tasks):
        """It has as many as it was told."""

    def start_worker(self, plan, index):
        self.started += 1
        return self

    @property
    def ready(self):
        return settled(self.session.ready())

    def run(self, task):
        self.tried[task] += 1
        if self.kills(task, self.tried[task]):
            return settled(error=WorkerLost("its process was ended by SIGSEGV"))
        return settled(follow(self.session.run_task(task), lambda _: None))

    def counts(self):
        return Counts()

    def stop(self):
        pass

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@pytest.fixture
def plan(options, logs):
    """Six pictures in shards of four."""
    asked = options("--shard_size", "4", "--extra_csv", "on")
    replace_plan(logs, planned(asked, logs, 2, Mode(), asked_of(asked)).folder)
    return find_plan(logs)


@pytest.fixture
def session(plan, options):
    with ShardSession(options("--extra_csv", "on"), plan) as made:
        yield made


def dispatched(plan, pool, interruption=None):
    made = Dispatch(plan, pool, todo(plan, range(plan.shards)), interruption or Interruption())
    list(made.run())
    return made


def reasons(plan):
    found = []
    for tasks in chains(plan):
        counts = Counts()
        for task in tasks:
            with store_of(read_part(plan, task), plan.folder) as part:
                counts.add(part.counts(1))
        found.append(counts.failed)
    return found


def test_every_task_is_done_once(plan, session):
    pool = Inline(session)
    made = dispatched(plan, pool)
    assert made.counts().total == 6
    assert set(pool.tried.values()) == {1}
    assert list(todo(plan, range(2))) == []


def test_a_picture_that_kills_is_found_and_its_neighbours_are_kept(plan, session):
    pool = Inline(session, lambda task, _: task.shard == 0 and task.first <= 2 < task.last)
    made = dispatched(plan, pool)
    assert pool.tried[Task(0, 2, 3)] == 3
    assert pool.tried[Task(0, 3, 4)] == 1
    assert pool.started == 2 + 2 + 3  # and one for each death: 4 pictures, 2, then three times 1
    assert reasons(plan) == [{"unreadable": 1, "killed its worker 3 times": 1}, {}]
    assert (made.counts().total, made.counts().failed.total()) == (6, 2)


def test_a_worker_lost_by_chance_costs_no_row(plan, session):
    pool = Inline(session, lambda task, count: count == 1)  # every task loses its first worker
    dispatched(plan, pool)
    assert reasons(plan) == [{"unreadable": 1}, {}]


def test_a_pictures_last_trial_is_alone(plan, session, monkeypatch):
    """What else runs may be what kills: here every picture dies while another task is under way."""
    pool = Inline(session)
    made = Dispatch(plan, pool, todo(plan, range(2)), Interruption())
    monkeypatch.setattr(pool, "kills", lambda task, _: len(made._running) > 0)
    list(made.run())
    assert reasons(plan) == [{"unreadable": 1}, {}]


def test_workers_that_are_lost_whatever_they_do_end_the_run(plan, session, monkeypatch):
    monkeypatch.setattr(dispatch, "DEATHS_IN_A_ROW", 5)
    with pytest.raises(RunBroken, match="5 workers were lost in a row, the last one its process was ended by"):
        dispatched(plan, Inline(session, lambda *_: True))


def test_a_pool_that_never_comes_up_ends_the_run(plan, session, monkeypatch):
    class Absent(Inline):
        ready = Future()

    monkeypatch.setattr(dispatch, "START_WITHIN_S", 0.1)
    monkeypatch.setattr(dispatch, "LOOK_EVERY_S", 0.05)
    with pytest.raises(RunBroken, match="no worker could start within"):
        dispatched(plan, Absent(session))


def test_a_picture_that_holds_its_worker_up_for_ever_is_found_too(plan, session, monkeypatch):
    class Caught(Inline):
        def run(self, task):
            if task.shard == 0 and task.first <= 2 < task.last:
                self.never: Future[Any] = Future()
                return self.never
            return super().run(task)

        def close(self):
            if hasattr(self, "never") and not self.never.done():
                self.never.set_exception(WorkerLost("its process was ended by SIGKILL"))

    monkeypatch.setattr(dispatch, "STUCK_AFTER_S", 0.2)
    monkeypatch.setattr(dispatch, "LOOK_EVERY_S", 0.05)
    dispatched(plan, Caught(session))
    assert reasons(plan) == [{"unreadable": 1, "killed its worker 3 times": 1}, {}]
    said = []
    for task in next(chains(plan)):
        with store_of(read_part(plan, task), plan.folder) as part:
            said += [result.reason for _, result in part.results(1) if isinstance(result, Failure)]
    assert "killed its worker 3 times: no picture was done within 0 s" in said


def test_what_a_worker_cannot_do_is_the_runs_error(plan, session):
    class Unable(Inline):
        @property
        def ready(self):
            return settled(error=RunError("no bundle"))

    with pytest.raises(RunError, match="no bundle"):
        dispatched(plan, Unable(session))


def test_a_signal_starts_no_other_task(plan, session, monkeypatch):
    interruption = Interruption(())
    pool = Inline(session, size=1)
    done = pool.run

    def noted(task):
        interruption.note(signal.SIGINT)
        return done(task)

    monkeypatch.setattr(pool, "run", noted)
    dispatched(plan, pool, interruption)
    assert len(list(todo(plan, range(2)))) == 1


def test_a_shard_that_another_machine_did_meanwhile_is_left_as_it_is(plan, session, logs):
    tasks = list(todo(plan, range(plan.shards)))
    dispatched(plan, Inline(session))
    before = {path: path.stat().st_mtime_ns for path in logs.rglob("*") if path.is_file()}
    made = Dispatch(plan, Inline(session), tasks, Interruption())
    list(made.run())
    assert {path: path.stat().st_mtime_ns for path in logs.rglob("*") if path.is_file()} == before


def test_no_worker_is_started_for_nothing(plan, session):
    dispatched(plan, Inline(session))
    again = Inline(session)
    dispatched(plan, again)
    assert again.started == 0


def test_what_runs_is_said_once(plan, session, caplog):
    caplog.set_level(logging.INFO, "of3")
    dispatched(plan, Inline(session))
    assert caplog.text.count("STAND-IN WEIGHTS") == 1
