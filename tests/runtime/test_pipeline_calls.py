"""What callers of `Pipeline.run` do with it."""

import threading

import numpy as np
import pytest

from of3.engines.workers import WorkerDied
from of3.runtime.pipeline import Pipeline
from of3.runtime.settings import Settings
from of3.runtime.types import Failure, Record, RunError


def frame(number):
    return np.random.default_rng(number).integers(0, 256, (64, 48, 3), np.uint8)


def values(result):
    assert isinstance(result, Record)
    return np.concatenate([result.raw.emotion_logits, result.raw.gaze_rad, result.raw.au])


@pytest.fixture(params=[Settings(), Settings(landmarks=True), Settings(batch=1, parallel_runs=1)], ids=str)
def pipeline(request, bundle_folder):
    with Pipeline.open(bundle_folder, request.param) as opened:
        yield opened


@pytest.fixture
def want(pipeline):
    return [values(result) for result in pipeline.run([frame(number) for number in range(16)])]


def test_an_array_that_is_filled_again_and_again_gives_what_it_held(pipeline, want):
    def camera():
        buffer = np.empty((64, 48, 3), np.uint8)
        for number in range(16):
            buffer[:] = frame(number)
            yield buffer
        buffer[:] = 0

    np.testing.assert_allclose([values(result) for result in pipeline.run(camera())], want, atol=1e-5)


def test_two_calls_may_be_gone_through_in_turn(pipeline, want):
    ahead = pipeline.run([frame(number) for number in range(16)])
    back = pipeline.run([frame(number) for number in reversed(range(16))])
    both = [(values(a), values(b)) for a, b in zip(ahead, back, strict=True)]
    np.testing.assert_allclose([a for a, _ in both], want, atol=1e-5)
    np.testing.assert_allclose([b for _, b in both], want[::-1], atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_a_source_that_raises_does_so_after_the_results_of_all_it_gave(pipeline, want, count):
    def broken():
        yield from (frame(number) for number in range(count))
        raise OSError("the camera was unplugged")

    found: list[np.ndarray] = []
    with pytest.raises(OSError, match="unplugged"):
        found.extend(values(result) for result in pipeline.run(broken()))
    np.testing.assert_allclose(found, want[:count], atol=1e-5) if count else None
    assert len(found) == count


def test_a_call_that_is_given_up_leaves_the_pipeline_as_it_was(pipeline, want):
    given_up = pipeline.run(frame(number) for number in range(16))
    next(given_up)
    given_up.close()
    found = [values(result) for result in pipeline.run([frame(number) for number in range(16)])]
    np.testing.assert_allclose(found, want, atol=1e-5)


def test_closing_twice_is_closing_once_and_nothing_runs_afterwards(bundle_folder):
    pipeline = Pipeline.open(bundle_folder)
    list(pipeline.run([frame(0)]))
    pipeline.close()
    pipeline.close()
    with pytest.raises(RunError, match="this pipeline is closed: open another"):
        list(pipeline.run([frame(0)]))


def test_a_call_under_way_ends_when_the_pipeline_is_closed(bundle_folder):
    with Pipeline.open(bundle_folder) as pipeline:
        results = pipeline.run(frame(number) for number in range(100))
        assert not isinstance(next(results), Failure)
    with pytest.raises(WorkerDied):
        list(results)


def test_batches_go_through_a_step_on_threads_and_what_it_raises_comes_in_its_place(pipeline, want):
    threads, frames = set(), [(number, frame(number)) for number in range(16)]

    def keyed(results):
        threads.add(threading.current_thread().name)
        return [(key, values(result)) for key, result in results]

    def broken(results):
        if any(key >= 12 for key, _ in results):
            raise OSError("the disk is full")
        return [key for key, _ in results]

    found = [each for some in pipeline.run_batches(frames, keyed) for each in some]
    assert [key for key, _ in found] == list(range(16))
    np.testing.assert_allclose([value for _, value in found], want, atol=1e-5)
    assert threads and threading.current_thread().name not in threads
    done: list[int] = []
    with pytest.raises(OSError, match="the disk is full"):
        done.extend(key for some in pipeline.run_batches(frames, broken) for key in some)
    assert done == list(range(len(done))) and 8 <= len(done) <= 12


def test_pixels_may_be_made_on_the_pipelines_threads(pipeline, want):
    made_by = []

    def making(number):
        def pixels():
            made_by.append(threading.current_thread())
            return frame(number)

        return pixels

    results = pipeline.run(making(number) for number in range(len(want)))
    np.testing.assert_allclose([values(result) for result in results], want, atol=1e-5)
    assert threading.main_thread() not in made_by
