"""BLAS on one thread only while threads of ours are at work."""

import threading
import time
from collections.abc import Generator

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from of3.runtime.blas import OneThread
from of3.runtime.pipeline import Pipeline


def threads():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_the_callers_own_blas_is_not_throttled_between_results(bundle_folder):
    """What is being made ready on the threads may hold BLAS to one thread; nothing does once they rest."""
    with threadpool_limits(3, user_api="blas"), Pipeline.open(bundle_folder) as pipeline:
        before = threads()
        assert before == {3}
        results = pipeline.run([np.zeros((300, 300, 3), np.uint8)] * 30)
        assert isinstance(results, Generator)
        next(results)
        time.sleep(0.5)
        assert threads() == before
        results.close()


def test_blas_keeps_to_one_thread_as_long_as_anybody_is_inside():
    one = OneThread()
    with threadpool_limits(3, user_api="blas"):
        with one:
            with one:
                assert threads() == {1}
            assert threads() == {1}
        assert threads() == {3}


@pytest.fixture
def three_threads():
    """BLAS has three, and no thread that is alive holds it to that."""

    def hold_to(count):
        holder = threading.Thread(target=threadpool_limits, args=(count, "blas"))
        holder.start()
        holder.join()

    (before,) = threads()
    hold_to(3)
    yield
    hold_to(before)


def test_what_one_thread_limits_another_gives_back(three_threads):
    one = OneThread()
    inside, may_leave, has_left, may_end = (threading.Event() for _ in range(4))

    def first_in_and_out():
        with one:
            inside.set()
            may_leave.wait(10)
        has_left.set()
        may_end.wait(10)

    first = threading.Thread(target=first_in_and_out)
    first.start()
    assert inside.wait(10)
    with one:
        assert threads() == {1}
        may_leave.set()
        assert has_left.wait(10)
        assert threads() == {1}
    assert threads() == {3}
    may_end.set()
    first.join()


def test_blas_has_its_threads_again_after_a_pipeline(bundle_folder, three_threads):
    with Pipeline.open(bundle_folder) as pipeline:
        assert len(list(pipeline.run([np.zeros((300, 300, 3), np.uint8)] * 30))) == 30
        assert threads() == {3}
        with threadpool_limits(2, user_api="blas"):
            assert threads() == {2}
