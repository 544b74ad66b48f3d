import threading
import time
import weakref
from typing import Any

import cv2
import numpy as np
import pytest

from of3.engines import host
from of3.runtime import budget as budgets
from of3.runtime.budget import Budget, cost_bytes, default_bytes
from of3.runtime.pipeline import Pipeline
from of3.runtime.settings import Settings
from of3.runtime.types import Failure, Record
from of3.runtime.vision import detect


def test_what_does_not_fit_waits_and_what_is_larger_than_all_goes_alone():
    budget = Budget(100)
    assert budget.try_take(60)
    assert budget.try_take(40)
    assert not budget.try_take(1)
    budget.release(60)
    assert not budget.try_take(101)
    budget.release(40)
    assert budget.try_take(101)
    assert not budget.try_take(1)
    assert budget.try_take(0)  # a picture that failed
    budget.release(101)
    assert budget.try_take(100)


def test_threads_wait_for_room_and_never_take_more():
    budget, under_way, most = Budget(100), [0], [0]

    def picture(cost):
        with budget.taken(cost):
            under_way[0] += cost
            most[0] = max(most[0], under_way[0])
            time.sleep(0.001)
            under_way[0] -= cost

    threads = [threading.Thread(target=picture, args=(cost,)) for cost in [30, 70, 500, 1, 99, 0] * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert most[0] == 500


def test_a_failure_in_its_turn_gives_back_what_it_took():
    budget = Budget(100)
    with pytest.raises(ValueError, match="x"), budget.taken(100):
        raise ValueError("x")
    assert budget.try_take(100)


def test_the_default_is_a_quarter_of_what_there_is_and_2_gb_at_most(monkeypatch):
    for there, want in ((1500 << 20, 375 << 20), (64 << 30, 2 << 30), (None, 2 << 30)):
        monkeypatch.setattr(budgets, "memory_bytes", lambda there=there: there)
        assert default_bytes(0) == want
    monkeypatch.setattr(budgets, "memory_bytes", lambda: 1 << 30)
    monkeypatch.setattr(budgets, "cores", lambda: 4)
    assert default_bytes(1) == 1 << 26  # one of four workers


def test_a_photograph_costs_what_was_measured():
    assert cost_bytes(12_000_000, 0, is_on_cpu=True) == 120_000_000
    assert cost_bytes(12_000_000, 12_000_000, is_on_cpu=True) == 576_000_000
    assert cost_bytes(12_000_000, 12_000_000, is_on_cpu=False) == 264_000_000


@pytest.fixture
def pictures(tmp_path):
    """Of many sizes, some of them none."""
    chance = np.random.default_rng(4)
    for number in range(24):
        height, width = (int(side) for side in chance.integers(20, 300, 2))
        pixels = cv2.GaussianBlur(chance.integers(0, 256, (height, width, 3), np.uint8), (9, 9), 3)
        content = b"none" if number % 6 == 5 else cv2.imencode(".jpg", pixels)[1].tobytes()
        (tmp_path / f"{number:02d}.jpg").write_bytes(content)
    return sorted(tmp_path.glob("*.jpg"))


@pytest.mark.parametrize("detect_first", [False, True])
@pytest.mark.parametrize("limit_bytes", [1, 2_000_000, 5_000_000])
@pytest.mark.parametrize("workers", [1, 4])
def test_every_picture_is_done_in_order_however_little_memory_there_is(
    bundle_folder, pictures, detect_first, limit_bytes, workers
):
    settings = Settings(detect=detect_first, workers=workers)
    with Pipeline.open(bundle_folder, settings) as pipeline:
        want = list(pipeline.run(pictures))
    limited = Settings(detect=detect_first, workers=workers, memory_bytes=limit_bytes)
    with Pipeline.open(bundle_folder, limited) as pipeline:
        got = list(pipeline.run(pictures))
        arrays = list(pipeline.run([np.zeros((50, 60, 3), np.uint8)] * 20))
    assert [result.source for result in got] == [str(path) for path in pictures]
    assert len(arrays) == 20
    for one, other in zip(want, got, strict=True):
        if isinstance(one, Failure):
            assert other == one
        else:
            assert isinstance(other, Record)
            np.testing.assert_allclose(other.raw.au, one.raw.au, atol=1e-5)


def test_pictures_that_take_all_of_it_go_one_after_the_other(bundle_folder, pictures, monkeypatch):
    """And nothing refers to one, its pixels or what the detector was fed, when the next is made ready."""
    original = detect.view
    made: list[weakref.ref[Any]] = []

    def view(image, card, factor):
        until = time.monotonic() + 5  # the thread that made its crop may be about to return
        while time.monotonic() < until and any(each() is not None for each in made):
            time.sleep(0.001)
        assert all(each() is None for each in made)
        found = original(image, card, factor)
        made.extend(weakref.ref(array) for array in (image.pixels, found.tensor))
        return found

    monkeypatch.setattr(detect, "view", view)
    with Pipeline.open(bundle_folder, Settings(detect=True, memory_bytes=1, workers=4)) as pipeline:
        results = list(pipeline.run(pictures))
    assert [result.source for result in results] == [str(path) for path in pictures]
    assert len(made) == 2 * 20
    reasons = {result.reason for result in results if isinstance(result, Failure)}
    assert not any(reason.startswith("AssertionError") for reason in reasons)


def test_the_memory_of_the_groups_a_process_is_in_counts(tmp_path):
    own = tmp_path / "cgroup"
    for lines, folder, name in (
        ("0::/slurm/job_7/step_0\n", "slurm/job_7", "memory.max"),
        ("4:cpu,memory:/slurm/job_7\n0::/\n", "memory/slurm/job_7", "memory.limit_in_bytes"),
        ("4:memory:/not/there\n", "memory", "memory.limit_in_bytes"),
    ):
        groups = tmp_path / name / folder.replace("/", "_")
        (groups / folder).mkdir(parents=True)
        (groups / folder / name).write_text("1048576\n")
        own.write_text(lines)
        assert host.memory_bytes(groups, own) == 1 << 20
