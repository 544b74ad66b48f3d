"""The same assertions for every engine that opens here."""

import numpy as np
import pytest

from of3.engines.base import CpuThreads
from of3.engines.bundle import read_bundle
from of3.engines.ort import OrtEngine

BOUNDS = {"detector": 1e-4, "multitask": 1e-4, "landmarks": 0.01 / 128}


@pytest.fixture(params=["detector", "multitask", "landmarks"])
def model(request):
    return request.param


@pytest.fixture
def engine(bundle_folder, model):
    opened = OrtEngine(read_bundle(bundle_folder), model, "cpu", "fp32", CpuThreads(2))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def golden(standin_root):
    return dict(np.load(standin_root / "golden.npz"))


def test_outputs_equal_pytorch(engine, model, golden):
    outputs = engine.run(golden[f"{model}/input"])
    for name, value in outputs.items():
        np.testing.assert_allclose(value, golden[f"{model}/{name}"], rtol=0, atol=BOUNDS[model])
        assert value.dtype == np.float32


def test_outputs_are_those_of_the_card(engine, model, bundle_folder, golden):
    card = read_bundle(bundle_folder).model(model)
    assert list(engine.run(golden[f"{model}/input"])) == [output.name for output in card.outputs]


def test_one_picture_equals_its_row_in_a_batch(engine, model, golden):
    batch = golden[f"{model}/input"]
    joint = engine.run(batch)
    for index in range(len(batch)):
        for name, value in engine.run(batch[index : index + 1]).items():
            np.testing.assert_allclose(value[0], joint[name][index], rtol=0, atol=1e-6)


def test_outputs_belong_to_the_caller(engine, model, golden):
    batch = golden[f"{model}/input"]
    first = engine.run(batch)
    kept = {name: value.copy() for name, value in first.items()}
    engine.run(batch * 0)
    for name, value in first.items():
        np.testing.assert_array_equal(value, kept[name])


def test_a_batch_of_another_shape_is_refused(engine):
    with pytest.raises(ValueError, match="want float32"):
        engine.run(np.zeros((1, 4, 224, 224), np.float32))


def test_a_batch_of_another_dtype_is_refused(engine, model, golden):
    with pytest.raises(ValueError, match="got float64"):
        engine.run(golden[f"{model}/input"].astype(np.float64))


def test_the_name_says_what_runs(engine):
    assert engine.name.startswith("onnxruntime ")
    assert engine.name.endswith("CPU fp32")


@pytest.mark.parametrize("size", [(32, 32), (33, 250), (97, 131), (480, 641)])
def test_the_detector_takes_any_size(bundle_folder, size):
    engine = OrtEngine(read_bundle(bundle_folder), "detector", "cpu", "fp32", CpuThreads(2))
    outputs = engine.run(np.zeros((2, 3, *size), np.float32))
    count = sum(2 * -(-size[0] // stride) * -(-size[1] // stride) for stride in (8, 16, 32))
    assert {name: value.shape for name, value in outputs.items()} == {
        "loc": (2, count, 4),
        "conf": (2, count, 2),
        "landms": (2, count, 10),
    }
