"""What an engine does and one process with it, measured on the engines and pictures that are here."""

import os
from contextlib import closing

import numpy as np
import pytest

from of3.engines.host import cores
from of3.engines.manifest import read_bundle
from of3.runtime.logs.folder import Mode
from of3.runtime.networks import MULTITASK, Networks
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.session import Session
from of3.runtime.runs.shards import rates
from of3.runtime.runs.shards.plan import find_plan, replace_plan
from of3.runtime.runs.shards.planning import asked_of, planned
from of3.runtime.runs.shards.rates import (
    CONTEXT_BYTES,
    GpuMemory,
    NotMeasured,
    batches_for,
    engine_rate,
    gpu_memory,
    measure,
    process_rate,
)
from of3.runtime.settings import Settings


@pytest.fixture
def plan(options, logs):
    """Six pictures, one of which is none."""
    asked = options()
    replace_plan(logs, planned(asked, logs, 1, Mode(), asked_of(asked)).folder)
    return find_plan(logs)


def test_the_rate_of_an_engine_is_what_its_batches_take(bundle_folder):
    """Of the CPU's, as its own count of batches says; one without a network does many times more."""
    bundle, found = read_bundle(bundle_folder), {}
    batch = np.zeros((4, *map(int, bundle.model(MULTITASK).input.shape[1:])), np.float32)
    for engine in ("cpu", "fake"):
        with closing(Networks(bundle, Settings(engine=engine))) as networks:
            found[engine] = engine_rate(networks, {MULTITASK: batch})
            faces = 4 * networks.engines[MULTITASK].batches.total()
            assert 0.2 * faces < 2 * rates.FOR_S * found[engine] < 2 * faces
    assert found["fake"] > 3 * found["cpu"]


@pytest.mark.long
def test_networks_that_share_a_gpu_share_its_time(options, plan):
    """A batch for each, and all together slower than the slowest."""
    with Session(options("--landmarks", "on")) as session:
        networks, batches = session.pipeline.networks, batches_for(session, plan.items(0))
        assert {name: batch.shape for name, batch in batches.items()} == {
            "detector": (1, 3, 256, 256),
            "landmarks": (1, 3, 256, 256),
            "multitask": (4, 3, 224, 224),
        }
        slowest = min(engine_rate(networks, {name: batch}) for name, batch in batches.items())
        assert engine_rate(networks, batches) < 1.5 * slowest


def test_a_process_goes_through_every_picture_and_leaves_nothing_behind(options, plan, logs):
    items, before = plan.items(0), {path for path in logs.rglob("*") if path.is_file()}
    with Session(options()) as session:
        assert process_rate(session, plan, items) > 1
        batches = session.pipeline.batches()[MULTITASK].total()
        assert 4 * batches > 2 * len(items)  # round and round
    assert {path for path in logs.rglob("*") if path.is_file()} == before
    assert os.listdir(plan.folder / "writing") == []


def test_without_a_picture_that_can_be_read_no_detector_is_measured(options, plan, aligned):
    broken = [item for item in plan.items(0) if item.path.endswith("broken.jpg")]
    with Session(options("--skip_detect", "off")) as session, pytest.raises(NotMeasured, match="first 1 pict"):
        batches_for(session, broken)


def test_an_engine_of_the_cpu_is_nothing_to_feed(options, plan):
    """Measured as a run does it, in a process of its own; without a GPU the engines fall back."""
    asked = options("--device", "cuda", "--engine", "cpu")
    with pytest.raises(NotMeasured, match=r"^onnxruntime \S+ CPU fp32 does not run on a GPU$"):
        measure(asked, plan, plan.items(0), cores(), "0", Interruption(()))


def test_what_cannot_be_opened_is_a_reason_and_no_error_of_the_run(options, plan, bundle_copy):
    read_bundle(bundle_copy).model(MULTITASK).files["fp32"].path.unlink()
    asked = options("--bundle", str(bundle_copy), "--device", "cuda", "--engine", "cpu")
    with pytest.raises(NotMeasured, match="multitask"):
        measure(asked, plan, plan.items(0), cores(), "0", Interruption(()))


def test_an_end_that_is_asked_for_is_not_waited_for(options, plan):
    interruption = Interruption(())
    interruption.note(15)
    with pytest.raises(NotMeasured, match="the run is to end"):
        measure(options("--device", "cuda"), plan, plan.items(0), cores(), "0", interruption)


def test_a_process_on_a_gpu_is_counted_with_what_its_engine_took_and_with_cuda_itself():
    assert gpu_memory(20 << 30, 19 << 30) == GpuMemory(19 << 30, (1 << 30) + CONTEXT_BYTES)
    assert gpu_memory(19 << 30, 20 << 30) == GpuMemory(20 << 30, CONTEXT_BYTES)  # another gave some back
    assert gpu_memory(None, None) is None
