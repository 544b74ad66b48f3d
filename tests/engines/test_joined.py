"""A model in two halves is one engine to whoever runs it."""

import json
from contextlib import closing

import numpy as np
import pytest

from of3.engines.base import CpuThreads, EngineUnavailable
from of3.engines.bundle import BundleError
from of3.engines.joined import body_of, completed, cut_of
from of3.engines.manifest import MANIFEST, read_bundle
from of3.engines.ort import OrtEngine
from of3.engines.workers import Workers

MODELS = ("detector", "multitask", "landmarks")


@pytest.fixture
def workers():
    with closing(Workers(2, "test")) as made:
        yield made


def opened(bundle, model, threads):
    body = OrtEngine(body_of(bundle, model, "fp32"), model, "cpu", "fp32", threads)
    return completed(bundle, model, body, threads)


@pytest.mark.parametrize("model", MODELS)
def test_its_numbers_are_those_of_the_whole(bundle_folder, standin_root, workers, model):
    bundle, threads = read_bundle(bundle_folder), CpuThreads(1, parallel_runs=2, workers=workers)
    batch = np.load(standin_root / "golden.npz")[f"{model}/input"]
    whole, engine = OrtEngine(bundle, model, "cpu", "fp32", threads), opened(bundle, model, threads)
    want = whole.run(batch)
    waits = [engine.start(batch) for _ in range(engine.max_in_flight)]
    for got in (engine.run(batch), *(wait() for wait in waits)):
        assert list(got) == list(want)
        for name, value in want.items():
            np.testing.assert_array_equal(got[name], value)
    for each in (whole, engine):
        each.close()


@pytest.mark.parametrize("model", ["multitask", "landmarks"])
def test_the_name_says_that_its_head_is_fp32(bundle_folder, model):
    engine = opened(read_bundle(bundle_folder), model, CpuThreads(1))
    assert engine.name.endswith("CPU fp32, its head in fp32")
    engine.close()


def in_bf16_steps(values):
    return (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


class Rounding:
    """A body that hands on what it computes in bf16 steps."""

    def start(self, batch):
        outputs = self.run(batch)
        return lambda: outputs

    def __init__(self, engine):
        self.name, self.max_batch, self.max_in_flight = "rounding", engine.max_batch, engine.max_in_flight
        self._engine, self.handed_on = engine, None

    def run(self, batch):
        found = {name: in_bf16_steps(value) for name, value in self._engine.run(batch).items()}
        self.handed_on = found["joint"]
        return found

    def close(self):
        self._engine.close()


def test_the_au_head_computes_in_float32_on_whatever_it_is_handed(bundle_folder, standin_root):
    """Against float64 on the same features, where a head in bf16 is 1e-3 off and more."""
    bundle, threads = read_bundle(bundle_folder), CpuThreads(1)
    body = Rounding(OrtEngine(body_of(bundle, "multitask", "fp32"), "multitask", "cpu", "fp32", threads))
    engine = completed(bundle, "multitask", body, threads)
    got = engine.run(np.load(standin_root / "golden.npz")["multitask/input"])["au"]
    assert np.abs(got - exact_au(standin_root, body.handed_on)).max() < 2e-6
    engine.close()


def exact_au(root, features):
    pytest.importorskip("torch", reason="what computes it in float64")
    from of3.export.checkpoints import load_all
    from of3.export.drift import exact_head
    from of3.export.models import models_in
    from of3.export.networks.multitask import Multitask

    (model,) = (model for model in models_in(root / "weights", None) if model.name == "multitask")
    module = model.make().eval()
    assert isinstance(module, Multitask)
    load_all({root / "weights" / model.file: module})
    return exact_head(module, features)["au"]


def edited(folder, change):
    """A bundle whose manifest says something else of the multitask network's cut."""
    path = folder / MANIFEST
    document = json.loads(path.read_text())
    change(document["models"]["multitask"])
    path.write_text(json.dumps(document))
    return folder


def test_a_bundle_made_before_there_were_cuts_is_read_and_said_to_be(bundle_copy):
    bundle = read_bundle(edited(bundle_copy, lambda entry: entry.pop("cut")))
    with closing(OrtEngine(bundle, "multitask", "cpu", "fp32", CpuThreads(1))):
        pass
    with pytest.raises(EngineUnavailable, match=r"says not what of multitask must stay fp32.* --force"):
        cut_of(bundle.model("multitask"))


def test_a_half_that_changed_is_refused(bundle_copy):
    path = bundle_copy / "multitask.head.onnx"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"multitask.head.onnx: got sha256"):
        opened(read_bundle(bundle_copy), "multitask", CpuThreads(1))


def test_a_joint_that_is_not_the_graphs_is_refused(bundle_copy):
    edited(bundle_copy, lambda entry: entry["cut"]["head"]["joint"]["shape"].append(2))
    with pytest.raises(BundleError, match=r"multitask.body.onnx: joint of the graph is"):
        opened(read_bundle(bundle_copy), "multitask", CpuThreads(1))
