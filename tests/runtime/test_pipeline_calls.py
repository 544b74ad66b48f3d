"""What callers of `Pipeline.run` do with it."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest

from of3.runtime.pipeline import Pipeline
from of3.runtime.runs.watch import watch
from of3.runtime.settings import Settings, SettingsError
from of3.runtime.types import Closed, Failure, Image, Record


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


def test_a_path_or_bytes_or_an_array_by_itself_is_one_picture(pipeline, want, tmp_path):
    path = tmp_path / "0.png"
    cv2.imwrite(str(path), frame(0))
    for one in (str(path), path, path.read_bytes(), frame(0), lambda: frame(0)):
        (result,) = pipeline.run(one)
        np.testing.assert_allclose(values(result), want[0], atol=1e-5)
        assert len(list(pipeline.run_faces(one))) == 1
    for many in (np.stack([frame(0), frame(1)]), np.array([str(path), str(path)])):
        assert [type(result) for result in pipeline.run(many)] == [Record, Record]
    (failed,) = pipeline.run(frame(0)[..., 0])
    (broken,) = pipeline.run(b"none")
    assert (broken.source, broken.stage) == ("bytes 0", "read")
    assert failed.reason == "array: got uint8 (64, 48), want uint8 (H,W,3) in BGR order"
    (strange,) = pipeline.run([[1, 2]])  # as of a picture of another library, whose channels nobody knows
    assert strange.reason == "array: got list, want a numpy array: uint8 (H,W,3), BGR"
    with path.open("rb") as file:
        for none in (bytearray(b"a.jpg"), 3, None, {0: frame(0)}, file):
            with pytest.raises(TypeError, match="want a path, bytes, a BGR uint8"):
                pipeline.run(none)


@pytest.mark.parametrize("asked", [{}, {1: 99}, [0, 1], dict.fromkeys((1, 2, 4, 6, 9, 12, 25, 26), 8)], ids=str)
def test_an_order_of_units_that_has_not_all_is_refused_at_once(pipeline, asked):
    with pytest.raises(SettingsError, match="want an output, 0 to 7 for each of AU 1, 2, 4, 6, 9, 12, 25, 26"):
        pipeline.run([frame(0)], asked)
    with pytest.raises(SettingsError, match="got au_to_index="):
        pipeline.run_faces([frame(0)], 0, asked)


def test_what_runs_and_why_nothing_better_does_is_logged(bundle_folder, caplog):
    with caplog.at_level("INFO", "of3"), Pipeline.open(bundle_folder, Settings(device="cuda")):
        pass
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert caplog.messages[0].startswith("onnxruntime") and " CPU fp32: " in caplog.messages[0]
    assert caplog.messages[1] == "STAND-IN WEIGHTS: the numbers mean nothing about faces"


def test_settings_are_settings(bundle_folder):
    with pytest.raises(TypeError, match="got dict, want Settings"):
        Pipeline.open(bundle_folder, {"detect": True})  # type: ignore[arg-type]


def test_pictures_to_be_watched_come_with_their_times(bundle_folder):
    with Pipeline.open(bundle_folder, Settings(detect=True)) as pipeline:
        strange: list[Any] = [[(0.1, frame(0))], [frame(0)]]
        for pictures in strange:
            with pytest.raises(TypeError, match="want a picture and its time"):
                next(watch(pipeline, pictures))


def test_closing_twice_is_closing_once_and_nothing_begins_afterwards(bundle_folder):
    pipeline = Pipeline.open(bundle_folder)
    pipeline.close()
    pipeline.close()
    calls = (
        lambda: pipeline.run([frame(0)]),
        lambda: pipeline.run_keyed([(0, frame(0)), (1, frame(1))]),
        lambda: pipeline.run_batches([(0, frame(0))], list),
        lambda: pipeline.run_faces("a.jpg"),
        lambda: pipeline.run_faces_keyed([(0, frame(0))]),
        lambda: pipeline.au_scores([Image("a", frame(0))]),
        pipeline.__enter__,
        lambda: next(watch(pipeline, [(frame(0), 0.0)])),
    )
    for call in calls:
        with pytest.raises(Closed, match="this pipeline is closed: open another"):
            call()


@pytest.mark.parametrize("settings", [Settings(), Settings(landmarks=True)], ids=str)
def test_a_call_under_way_ends_when_the_pipeline_is_closed(bundle_folder, settings):
    with Pipeline.open(bundle_folder, settings) as pipeline:
        every = pipeline.run(frame(number) for number in range(100))
        faces = pipeline.run_faces(frame(number) for number in range(100))
        assert not isinstance(next(every), Failure)
        next(faces)
    for results in (every, faces):
        with pytest.raises(Closed, match="this pipeline is closed"):
            list(results)


def test_threads_share_a_pipeline_and_each_has_its_own_results(pipeline, want):
    def call(number):
        if number % 3 == 0:  # which goes another way than several
            return [values(next(pipeline.run(frame(number))))]
        return [values(result) for result in pipeline.run([frame(number), frame(number + 1)])]

    with ThreadPoolExecutor(8) as threads:
        every = list(threads.map(call, range(15)))
    for number, found in enumerate(every):
        np.testing.assert_allclose(found, want[number : number + len(found)], atol=1e-5)


def test_what_gives_the_pictures_may_run_the_pipeline_itself(pipeline, want):
    def looked_at_before():
        for number in range(16):
            assert isinstance(next(pipeline.run(frame(number))), Record)
            yield frame(number)

    np.testing.assert_allclose([values(each) for each in pipeline.run(looked_at_before())], want, atol=1e-5)


FORK = """
import multiprocessing, sys
import numpy as np
from of3.runtime import Pipeline, Settings
from of3.runtime.types import Closed

def in_the_fork():
    with Pipeline.open(sys.argv[1]) as own:
        (found,) = own.run(picture)
        assert abs(found.raw.au - want.raw.au).max() < 1e-5
    try:
        pipeline.run(picture)
    except Closed as error:
        print(error, flush=True)
    pipeline.close()

picture = np.full((64, 48, 3), 9, np.uint8)
with Pipeline.open(sys.argv[1], Settings(**eval(sys.argv[2]))) as pipeline:
    (want,) = pipeline.run(picture)
    child = multiprocessing.get_context("fork").Process(target=in_the_fork)
    child.start()
    child.join()
    (again,) = pipeline.run(picture)
sys.exit(child.exitcode)
"""


@pytest.mark.parametrize("asked", ["{}", "{'parallel_runs': 1, 'cores': 2}", "{'landmarks': True}"])
def test_a_fork_is_told_to_open_its_own_and_does_not_wait_for_ever(bundle_folder, asked):
    words = [sys.executable, "-c", FORK, str(bundle_folder), asked]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "of which this is a fork: open one here, or start processes by spawn" in done.stdout


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
