import itertools
import subprocess
import sys
import threading
import weakref
from collections.abc import Generator

import cv2
import numpy as np
import pytest

from of3.engines.host import cores
from of3.runtime.boundary import or_failure
from of3.runtime.pipeline import Pipeline
from of3.runtime.settings import Settings
from of3.runtime.types import Failure, Record, Source


@pytest.fixture(scope="module")
def pictures(standin_root):
    return sorted(standin_root.glob("images/*.png")) + sorted(standin_root.glob("images/au/*.png"))


def pixels_of(path):
    pixels = cv2.imread(str(path))
    assert pixels is not None
    return pixels


def values(record):
    return np.concatenate([record.raw.emotion_logits, record.raw.gaze_rad, record.raw.au])


def test_paths_and_arrays_give_the_same_records_in_order(bundle_folder, pictures):
    arrays = [pixels_of(path) for path in pictures]
    with Pipeline.open(bundle_folder) as pipeline:
        by_path = list(pipeline.run(pictures))
        by_array = list(pipeline.run(arrays))
    assert [record.source for record in by_path] == [str(path) for path in pictures]
    assert by_array[3].source == "array 3"
    for left, right in zip(by_path, by_array, strict=True):
        np.testing.assert_array_equal(values(left), values(right))


def test_a_record_says_what_is_known(bundle_folder, pictures):
    with Pipeline.open(bundle_folder, Settings(landmarks=True)) as pipeline:
        (record,) = pipeline.run(pictures[:1])
    assert isinstance(record, Record)
    assert record.emotion in record.probabilities
    assert set(record.gaze_rad) == {"yaw", "pitch"}
    assert list(record.aus) == [1, 2, 4, 6, 9, 12, 25, 26]
    assert all(0 <= score <= 1 + 1e-6 for score in record.aus.values())
    assert record.landmarks is not None and record.landmarks.shape == (98, 2)
    assert record.box is None
    assert record.confidence is None
    with pytest.raises(AttributeError):
        record.emotion = "sad"  # type: ignore[misc]


@pytest.mark.parametrize(("batch", "workers"), [(1, 1), (3, 1), (8, 4), (64, 2), (100, 2)])
def test_batch_and_workers_change_nothing(bundle_folder, pictures, batch, workers):
    with Pipeline.open(bundle_folder) as pipeline:
        want = [values(record) for record in pipeline.run(pictures)]
    with Pipeline.open(bundle_folder, Settings(batch=batch, workers=workers)) as pipeline:
        got = [values(record) for record in pipeline.run(pictures)]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)


def test_slices_made_ready_side_by_side_are_one_batch(bundle_folder, pictures):
    """Where networks are driven from one thread, as on a GPU; a bad picture among them."""
    mixed = [*pictures, "none.png", *pictures]
    with Pipeline.open(bundle_folder, Settings(parallel_runs=1, batch=1)) as pipeline:
        want = [values(record) for record in pipeline.run(mixed) if isinstance(record, Record)]
    with Pipeline.open(bundle_folder, Settings(parallel_runs=1, batch=20, workers=3)) as pipeline:
        got = [values(record) for record in pipeline.run(mixed) if isinstance(record, Record)]
        assert sum(pipeline.batches()["multitask"].values()) == -(-len(mixed) // 20)
    assert len(got) == 2 * len(pictures) > 20
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)


def test_a_bad_picture_costs_its_own_place_only(bundle_folder, pictures, tmp_path):
    (tmp_path / "bad.jpg").write_text("no picture")
    mixed = [pictures[0], tmp_path / "bad.jpg", pictures[1], tmp_path / "none.png", np.zeros((4, 4), np.uint8)]
    with Pipeline.open(bundle_folder) as pipeline:
        results = list(pipeline.run(mixed))
    assert [type(result) for result in results] == [Record, Failure, Record, Failure, Failure]
    assert isinstance(results[1], Failure)
    assert results[1].reason.startswith("unreadable: not a JPEG")
    assert results[3] == Failure(str(tmp_path / "none.png"), "read", "unreadable: No such file or directory")


def test_the_pixel_limit_is_a_setting(bundle_folder, pictures):
    with Pipeline.open(bundle_folder, Settings(max_pixels=63)) as pipeline:
        (result,) = pipeline.run(pictures[:1])
    assert isinstance(result, Failure)
    assert result.reason == "too large: want at most 63 pixels"


def test_only_bad_pictures_are_no_reason_to_fail(bundle_folder, tmp_path):
    with Pipeline.open(bundle_folder, Settings(landmarks=True)) as pipeline:
        assert len(list(pipeline.run([tmp_path / "none.png"] * 20))) == 20
        assert list(pipeline.run([])) == []


def test_a_picture_whose_neighbour_took_the_memory_is_tried_again():
    """What the first try held is let go before the second."""
    held, source = [], Source("x", "x")

    class Large:
        def __init__(self):
            held.append(weakref.ref(self))

    def step(_):
        if not held or held[0]() is not None:
            kept = Large()
            raise MemoryError(kept)
        return "done"

    assert or_failure("read", step)((1, source)) == (1, "done")
    for error, reason in (
        (MemoryError("no room"), "out of memory: no room"),
        (MemoryError(), "out of memory"),
        (KeyError("x"), "KeyError: 'x'"),
    ):

        def failing(_, error=error):
            raise error

        _, failed = or_failure("read", failing)((1, source))
        assert failed.reason == reason


def test_the_calibrated_map_reaches_the_record(bundle_folder, pictures):
    reversed_map = {au: 7 - index for index, au in enumerate((1, 2, 4, 6, 9, 12, 25, 26))}
    with Pipeline.open(bundle_folder) as pipeline:
        (record,) = pipeline.run(pictures[:1], reversed_map)
    assert isinstance(record, Record)
    np.testing.assert_allclose(list(record.aus.values()), record.raw.au[::-1])


def test_results_come_before_the_input_ends_and_little_is_read_ahead(bundle_folder):
    taken = itertools.count()
    endless = (np.full((32, 32, 3), next(taken) % 256, np.uint8) for _ in itertools.count())
    with Pipeline.open(bundle_folder, Settings(batch=4, workers=2)) as pipeline:
        in_flight = pipeline.networks.max_in_flight("multitask")
        results = pipeline.run(endless)
        assert isinstance(results, Generator)
        for _ in range(8):
            next(results)
        results.close()
    assert next(taken) <= 8 + 4 * in_flight + 4 + 2 + 2  # given, in the networks, ahead


GROWTH = """
import resource, sys
import numpy as np
from of3.runtime.pipeline import Pipeline
big = np.zeros((1200, 1600, 3), np.uint8)  # 5.8 MB each
with Pipeline.open(sys.argv[1]) as pipeline:
    for count in (40, 200):
        for _ in pipeline.run(big.copy() for _ in range(count)):
            pass
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_number_of_pictures(bundle_folder):
    """In a process of its own: where others took and gave back a gigabyte, malloc's gaps alone are 40 MB."""
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, bundle_folder], capture_output=True, text=True, check=True
    )
    before, after = map(int, done.stdout.split())
    assert after - before < 40 * 1024  # KB; 200 pictures kept would be 1.1 GB


def test_a_closed_pipeline_leaves_no_thread(bundle_folder, pictures):
    with Pipeline.open(bundle_folder) as pipeline:
        list(pipeline.run(pictures))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("of3")]


def options(pipeline):
    """Threads of a run, and whether they spin, by model."""
    sessions = {model: each._opened[0][1]._session for model, each in pipeline.networks.engines.items()}
    return {
        model: (
            session.get_session_options().intra_op_num_threads,
            session.get_session_options().get_session_config_entry("session.intra_op.allow_spinning"),
        )
        for model, session in sessions.items()
    }


@pytest.mark.parametrize(
    ("settings", "busiest"),
    [(Settings(parallel_runs=1), "multitask"), (Settings(parallel_runs=1, landmarks=True), "landmarks")],
)
def test_with_one_lane_only_the_busiest_networks_threads_spin(bundle_folder, settings, busiest):
    with Pipeline.open(bundle_folder, settings) as pipeline:
        found = options(pipeline)
    assert [model for model, (_, spins) in found.items() if spins == "1"] == [busiest]
    assert {threads for threads, _ in found.values()} == {cores()}


def test_side_by_side_runs_take_a_core_each_and_none_spins(bundle_folder):
    with Pipeline.open(bundle_folder, Settings(landmarks=True)) as pipeline:
        assert set(options(pipeline).values()) == {(1, "0")}


def test_pictures_that_come_alone_get_all_cores(bundle_folder, pictures):
    arrays = [pixels_of(path) for path in pictures[:3]]
    with Pipeline.open(bundle_folder) as pipeline:
        together = [values(record) for record in pipeline.run(arrays)]
        alone = [values(record) for pixels in arrays for record in pipeline.run([pixels])]
        assert options(pipeline._alone) == {"multitask": (cores(), "1")}
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-6)


@pytest.mark.parametrize("parallel_runs", [1, 2, 5])
def test_lanes_change_nothing(bundle_folder, pictures, parallel_runs):
    with Pipeline.open(bundle_folder) as pipeline:
        want = [values(record) for record in pipeline.run(pictures)]
    with Pipeline.open(bundle_folder, Settings(parallel_runs=parallel_runs, landmarks=True)) as pipeline:
        got = [values(record) for record in pipeline.run(pictures)]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


class Spoiled:
    """An engine in whose outputs the last number of each third batch is another."""

    def __init__(self, engine, output, value):
        self._engine, self._output, self._value, self._batch = engine, output, value, 0

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def start(self, batch):
        outputs = dict(self._engine.run(batch))
        self._batch += 1
        if self._batch % 3 == 0:
            outputs[self._output] = outputs[self._output].copy()
            outputs[self._output].flat[-1] = self._value
        return lambda: outputs


@pytest.mark.parametrize("value", [np.nan, 3e38])
@pytest.mark.parametrize(
    ("model", "output", "stage"),
    [
        ("multitask", "emotion_logits", "analyse"),
        ("multitask", "gaze_rad", "analyse"),
        ("multitask", "au", "analyse"),
        ("landmarks", "landmarks", "analyse"),
        ("detector", "loc", "detect"),
        ("detector", "conf", "detect"),
        ("detector", "landms", "detect"),
    ],
)
def test_a_number_that_cannot_be_costs_its_picture_and_no_other(
    bundle_folder, pictures, model, output, stage, value
):
    with Pipeline.open(bundle_folder, Settings(landmarks=True, batch=1, parallel_runs=1)) as pipeline:
        sound = list(pipeline.run(pictures[:6]))
        assert all(isinstance(result, Record) for result in sound)
        pipeline.networks.engines[model] = Spoiled(pipeline.networks.engines[model], output, value)  # type: ignore[assignment]
        found = list(pipeline.run(pictures[:6]))
    assert [isinstance(result, Failure) for result in found] == [False, False, True] * 2
    assert all(
        result.stage == stage and f"the network's {output} is not finite or beyond" in result.reason
        for result in found
        if isinstance(result, Failure)
    )
