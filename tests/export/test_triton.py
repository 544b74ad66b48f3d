"""Triton repositories, read by Triton's own protobuf and held against the graphs themselves."""

import importlib.util
import os
import shutil
from functools import cache
from pathlib import Path

import pytest

from of3.engines.bundle import BundleError
from of3.engines.manifest import read_bundle
from of3.export.cli import main
from of3.export.triton import CONFIG, GRAPH, write_repository
from of3.export.workplace import PlaceTaken

MODELS = {"of3_detector", "of3_landmarks", "of3_multitask"}


@pytest.fixture(scope="module")
def bundle(bundle_folder):
    return read_bundle(bundle_folder)


@pytest.fixture(scope="module")
def repository(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("triton")
    write_repository(folder, bundle, "fp32", is_forced=False)
    return folder


def parsed(folder):
    """A model's configuration, by the messages that the server reads it with; unknown fields are errors."""
    from google.protobuf import text_format

    return text_format.Parse((folder / CONFIG).read_text("utf-8"), messages().ModelConfig())


@cache
def messages():
    """Triton's own, without its client, which needs more than protobuf."""
    pytest.importorskip("google.protobuf", reason="of3[export] is not installed")
    path = Path(os.environ.get("OF3_TRITON_CLIENT", "")) / "tritonclient" / "grpc" / "model_config_pb2.py"
    if not path.is_file():
        pytest.skip("no tritonclient: OF3_TRITON_CLIENT is set by tools/check")
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=sorted(MODELS))
def model(request, repository):
    return repository / request.param


def declared(values):
    """Name -> (type, sides behind the batch) of a graph's inputs or outputs; the batch is free."""
    found = {}
    for value in values:
        tensor = value.type.tensor_type
        batch, *sides = tensor.shape.dim
        assert batch.dim_param
        found[value.name] = (tensor.elem_type, [-1 if side.dim_param else side.dim_value for side in sides])
    return found


def configured(tensors):
    import onnx

    types = {messages().TYPE_FP32: onnx.TensorProto.FLOAT}
    return {tensor.name: (types[tensor.data_type], list(tensor.dims)) for tensor in tensors}


def test_every_model_is_there_and_nothing_else(repository):
    assert set(os.listdir(repository)) == MODELS
    found = {
        path.relative_to(repository / name) for name in MODELS for path in (repository / name).rglob("*.*")
    }
    assert found == {Path(CONFIG), GRAPH}


def test_tensors_are_the_graphs_own(model):
    config = parsed(model)
    onnx = pytest.importorskip("onnx", reason="of3[export] is not installed")
    graph = onnx.load(model / GRAPH).graph
    assert configured(config.input) == declared(graph.input)
    assert configured(config.output) == declared(graph.output)


def test_configuration_is_what_the_server_asks_for(model):
    config = parsed(model)
    assert config.name == model.name  # or the server refuses the folder
    assert config.platform == "onnxruntime_onnx"
    preferred = list(config.dynamic_batching.preferred_batch_size)
    assert preferred == sorted(preferred)
    assert preferred[-1] == config.max_batch_size
    assert config.dynamic_batching.max_queue_delay_microseconds > 0


def test_what_the_client_must_do_stands_in_the_parameters(repository):
    found = parsed(repository / "of3_multitask").parameters
    assert found["of3.input.color_order"].string_value == "RGB"
    assert found["of3.labels.aus"].string_value == "AU1,AU2,AU4,AU6,AU9,AU12,AU25,AU26"
    assert found["of3.labels.gaze"].string_value == "yaw,pitch"
    assert "stand-in" in found["of3.weights"].string_value


def test_only_the_network_of_free_sizes_chooses_convolutions_by_rule(repository):
    by_rule = {name for name in MODELS if "cudnn_conv_algo_search" in parsed(repository / name).parameters}
    assert by_rule == {"of3_detector"}


def test_a_full_batch_runs_through_the_graph_as_configured(repository):
    """The server itself is not to be had from a package index: its backend's library is."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="of3[cpu] is not installed")
    import numpy as np

    config = parsed(repository / "of3_multitask")
    session = onnxruntime.InferenceSession(
        repository / "of3_multitask" / GRAPH, providers=["CPUExecutionProvider"]
    )
    batch = np.zeros((config.max_batch_size, *config.input[0].dims), np.float32)
    found = session.run([output.name for output in config.output], {config.input[0].name: batch})
    assert [list(array.shape) for array in found] == [
        [config.max_batch_size, *out.dims] for out in config.output
    ]


def test_graphs_are_the_bundles_own_files(bundle, repository):
    for card in bundle.models.values():
        assert (repository / f"of3_{card.name}" / GRAPH).samefile(card.files["fp32"].path)


def test_fp16_serves_the_graphs_of_fp16(bundle, tmp_path):
    write_repository(tmp_path, bundle, "fp16", is_forced=False)
    assert (tmp_path / "of3_multitask" / GRAPH).samefile(bundle.model("multitask").files["fp16"].path)


def test_a_changed_graph_is_not_served(bundle_copy, tmp_path):
    path = bundle_copy / "multitask.fp32.onnx"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()  # it is a link to the bundle that all tests share
    path.write_bytes(content)
    with pytest.raises(BundleError, match="changed since the export"):
        write_repository(tmp_path / "triton", read_bundle(bundle_copy), "fp32", is_forced=False)
    assert "of3_multitask" not in os.listdir(tmp_path / "triton")


def test_models_of_others_stay_and_ours_are_replaced_when_asked(bundle, tmp_path):
    (tmp_path / "resnet").mkdir()
    write_repository(tmp_path, bundle, "fp32", is_forced=False)
    with pytest.raises(PlaceTaken, match="--force"):
        write_repository(tmp_path, bundle, "fp16", is_forced=False)
    write_repository(tmp_path, bundle, "fp16", is_forced=True)
    assert set(os.listdir(tmp_path)) == {"resnet", *MODELS}
    (tmp_path / "of3_detector" / CONFIG).write_text('name: "of3_detector"')
    with pytest.raises(PlaceTaken, match="not written by"):
        write_repository(tmp_path, bundle, "fp32", is_forced=True)


def test_of_a_bundle_that_is_there_only_the_repository_is_written(standin_root, bundle_folder, tmp_path):
    before = (bundle_folder / "bundle.json").stat()
    assert main(["--of3_root", str(standin_root), "--triton", str(tmp_path / "triton")]) == 0
    assert set(os.listdir(tmp_path / "triton")) == MODELS
    assert (bundle_folder / "bundle.json").stat() == before


def test_a_bundle_of_other_weights_is_not_served(standin_root, bundle_folder, tmp_path, caplog):
    weights = tmp_path / "weights"
    weights.mkdir()
    shutil.copy(standin_root / "weights" / "MTL_backbone.pth", weights)
    given = ["--of3_root", str(standin_root), "--weights", str(weights), "--bundle", str(bundle_folder)]
    assert main([*given, "--triton", str(tmp_path / "triton")]) == 0  # what is gone is no matter
    (weights / "MTL_backbone.pth").write_bytes(b"another")
    assert main([*given, "--triton", str(tmp_path / "other")]) == 2
    assert "made of another MTL_backbone.pth" in caplog.text
    assert not (tmp_path / "other").exists()
