"""BLAS on one thread only while threads of ours are at work."""

import time
from collections.abc import Generator

import numpy as np
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
