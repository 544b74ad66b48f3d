"""The same assertions for every engine of the registry that opens here, the fake one among them."""

import numpy as np
import pytest

from of3.engines.base import CpuThreads, EngineUnavailable
from of3.engines.manifest import read_bundle
from of3.engines.registry import FAKE, KINDS

# From PyTorch, by output's model; of low precision what the bundle allows it.
BOUNDS = {"detector": 1e-4, "multitask": 1e-4, "landmarks": 0.01 / 128}
ROWS_APART = 1e-6  # of one picture alone and in a batch
KERNELS_APART = {"openvino": 1e-5}  # an engine that takes other kernels for another number of rows


@pytest.fixture(scope="module", params=["detector", "multitask", "landmarks"])
def model(request):
    return request.param


@pytest.fixture(scope="module", params=list(KINDS.values()), ids=list(KINDS))
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def engine(bundle_folder, model, kind):
    try:
        opened = kind.open(read_bundle(bundle_folder), model, "fp32", False, CpuThreads(2))
    except EngineUnavailable as error:
        pytest.skip(f"{kind.name} does not open here: {error}")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def golden(standin_root):
    return dict(np.load(standin_root / "golden.npz"))


def test_outputs_equal_pytorch(engine, kind, model, golden):
    if kind is FAKE:
        pytest.skip("there is no network in it")
    outputs = engine.run(golden[f"{model}/input"])
    for name, value in outputs.items():
        np.testing.assert_allclose(value, golden[f"{model}/{name}"], rtol=0, atol=BOUNDS[model])


def test_outputs_are_those_of_the_card(engine, model, bundle_folder, golden):
    batch = golden[f"{model}/input"]
    outputs = engine.run(batch)
    card = read_bundle(bundle_folder).model(model)
    assert list(outputs) == [output.name for output in card.outputs]
    for output in card.outputs:
        got = outputs[output.name]
        assert got.dtype == np.float32
        assert len(got) == len(batch)
        wanted = zip(got.shape[1:], output.shape[1:], strict=True)
        assert all(side == want for side, want in wanted if isinstance(want, int))


def test_one_picture_equals_its_row_in_a_batch(engine, kind, model, golden):
    batch, apart = golden[f"{model}/input"], KERNELS_APART.get(kind.name, ROWS_APART)
    joint = engine.run(batch)
    for index in range(len(batch)):
        for name, value in engine.run(batch[index : index + 1]).items():
            np.testing.assert_allclose(value[0], joint[name][index], rtol=0, atol=apart)


def test_different_pictures_give_different_numbers(engine, model, golden):
    outputs = engine.run(golden[f"{model}/input"])
    assert all(np.abs(value[0] - value[1]).max() > 1e-6 for value in outputs.values())


def test_batches_in_flight_come_back_as_they_were_begun(engine, model, golden):
    batch = golden[f"{model}/input"]
    rows = [batch[index % len(batch)][None] for index in range(engine.max_in_flight)]
    waits = [engine.start(row) for row in rows]
    for row, wait in zip(rows, waits, strict=True):
        for name, value in wait().items():
            np.testing.assert_allclose(value, engine.run(row)[name], rtol=0, atol=1e-6)


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


def test_the_name_says_what_runs(engine, kind):
    assert engine.name.endswith("fp32")
    assert {"cpu": "onnxruntime ", "fake": "fake "}.get(kind.name, "") in engine.name
    assert engine.max_batch >= 1


@pytest.mark.parametrize("size", [(32, 32), (33, 250), (97, 131), (480, 641)])
def test_the_detector_takes_any_size(bundle_folder, size):
    engine = KINDS["cpu"].open(read_bundle(bundle_folder), "detector", "fp32", False, CpuThreads(2))
    outputs = engine.run(np.zeros((2, 3, *size), np.float32))
    count = sum(2 * -(-size[0] // stride) * -(-size[1] // stride) for stride in (8, 16, 32))
    assert {name: value.shape for name, value in outputs.items()} == {
        "loc": (2, count, 4),
        "conf": (2, count, 2),
        "landms": (2, count, 10),
    }


def test_users_can_try_a_whole_pipeline_without_a_network(bundle_folder, standin_root):
    from of3.runtime import Pipeline, Record, Settings

    faces = sorted(str(path) for path in (standin_root / "images").glob("*.png"))
    with Pipeline.open(bundle_folder, Settings(engine="fake", landmarks=True)) as pipeline:
        found = list(pipeline.run(faces))
    assert all(isinstance(record, Record) for record in found)
    assert {engine.kind.name for engine in pipeline.networks.engines.values()} == {"fake"}
