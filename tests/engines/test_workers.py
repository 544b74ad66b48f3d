"""Threads that end in the midst of their work."""

import ctypes
import threading
import time

import pytest

from of3.engines.workers import WorkerDied, Workers


@pytest.fixture
def workers():
    made = Workers(2, "test")
    yield made
    made.close()


def kill(thread):
    """Raise SystemExit in a thread, as soon as it is in Python code."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))


def test_a_result_is_waited_for_and_an_error_is_raised(workers):
    assert workers.submit(pow, 2, 3)() == 8
    with pytest.raises(ZeroDivisionError):
        workers.submit(divmod, 1, 0)()


def test_a_steps_own_timeout_is_its_error(workers):
    def timed_out():
        raise TimeoutError("the share does not answer")

    with pytest.raises(TimeoutError, match="does not answer"):
        workers.submit(timed_out)()


def test_a_thread_ended_in_a_step_is_told(workers):
    def victim():
        kill(threading.current_thread())
        while True:
            time.sleep(0.01)

    with pytest.raises(WorkerDied, match="ended by SystemExit"):
        workers.submit(victim)()


def test_threads_that_ended_between_steps_are_told_instead_of_waited_for(workers):
    def name():
        time.sleep(0.05)
        return threading.current_thread()

    threads = {each() for each in [workers.submit(name) for _ in range(8)]}
    for thread in threads:
        kill(thread)
        workers.submit(int)  # wakes it from waiting for work
    deadline = time.monotonic() + 10
    while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(WorkerDied, match="has ended"):
        workers.check()
    with pytest.raises(WorkerDied, match="has ended"):
        workers.submit(int)()
