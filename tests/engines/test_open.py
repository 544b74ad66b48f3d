import hashlib
import json
import shutil

import pytest

from of3.engines.base import CpuThreads, EngineUnavailable
from of3.engines.bundle import BundleError
from of3.engines.host import has_bf16, has_nvidia_device
from of3.engines.manifest import MANIFEST, read_bundle
from of3.engines.open import Choice, kinds_for, open_engine, precision_for, precisions_tried
from of3.engines.registry import KINDS

no_gpu = pytest.mark.skipif(has_nvidia_device(), reason="this machine has a GPU")


def opened(folder, model="detector", **choice):
    return open_engine(read_bundle(folder), model, Choice(**choice), CpuThreads(1))


def test_cpu_opens_without_refusals(bundle_folder):
    engine = opened(bundle_folder)
    assert engine.name.endswith("CPU fp32")
    assert engine.precision == "fp32"
    assert engine.refusals == []


@pytest.mark.skipif(has_bf16(), reason="this processor has bf16")
def test_bf16_of_a_processor_that_has_none_is_fp32_and_says_so(bundle_folder):
    engine = opened(bundle_folder, precision="bf16")
    assert engine.name.endswith("CPU fp32")
    (refusal,) = engine.refusals
    assert (refusal.engine, refusal.reason) == (
        "openvino",
        "bf16 wants a processor with AMX or AVX512-BF16",
    )


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_nothing_is_said_of_openvino_where_nobody_asked_for_what_it_has(bundle_folder, precision):
    assert opened(bundle_folder, precision=precision).refusals == []


@no_gpu
def test_a_fallback_says_what_was_refused_and_advises_nothing_without_a_gpu(bundle_folder):
    engine = opened(bundle_folder, device="cuda", precision="bf16")
    assert engine.kind.name == "cpu"
    reasons = {refusal.engine: refusal.reason for refusal in engine.refusals}
    assert set(reasons) == {"tensorrt", "cuda"}
    assert all("no NVIDIA GPU here" in reason for reason in reasons.values())
    assert not any("uninstall" in reason for reason in reasons.values())


@no_gpu
@pytest.mark.parametrize("kind", ["tensorrt", "cuda"])
def test_a_required_engine_that_does_not_open_is_an_error(bundle_folder, kind):
    with pytest.raises(EngineUnavailable, match=f"no engine opens detector: {kind}: "):
        opened(bundle_folder, device="cuda", engine=kind, require=True)


@pytest.mark.parametrize(
    ("choice", "kinds"),
    [
        (Choice("cuda"), ("tensorrt", "cuda", "cpu")),
        (Choice("cuda", "cuda"), ("cuda", "cpu")),
        (Choice("cuda", "cpu"), ("cpu",)),
        (Choice("cuda", "auto", require=True), ("tensorrt",)),
        (Choice("cuda", "cuda", require=True), ("cuda",)),
        (Choice("cuda", precision="bf16"), ("tensorrt", "cuda", "cpu")),
        (Choice("cuda", "openvino", precision="bf16"), ("openvino", "cpu")),
        (Choice("cuda", "plugin:webgpu"), ("plugin:webgpu", "cpu")),
        (Choice("cuda", "plugin:webgpu", require=True), ("plugin:webgpu",)),
        (Choice("cpu"), ("cpu",)),
        (Choice("cpu", precision="bf16"), ("openvino", "cpu")),
        (Choice("cpu", precision="bf16", require=True), ("openvino",)),
        (Choice("cpu", precision="fp16"), ("cpu",)),
        (Choice("cpu", "openvino"), ("openvino", "cpu")),
        (Choice("cpu", "openvino", require=True), ("openvino",)),
        (Choice("cpu", "cpu", require=True), ("cpu",)),
    ],
)
def test_the_order_is_from_the_engine_asked_for_down(choice, kinds):
    assert tuple(kind.name for kind in kinds_for(choice)) == kinds


def test_openvino_comes_before_the_cpu_engine_where_it_was_measured_to_be_faster():
    named = [tuple(kind.name for kind in kinds_for(Choice(device), "openvino")) for device in ("cpu", "cuda")]
    assert named == [("openvino", "cpu"), ("tensorrt", "cuda", "openvino", "cpu")]
    assert [kind.name for kind in kinds_for(Choice("cpu"), "cpu")] == ["cpu"]


@pytest.mark.parametrize(
    ("device", "precision", "tried"),
    [("cpu", "bf16", ("bf16", "fp32")), ("cpu", "fp16", ("fp32",)), ("cuda", "bf16", ("fp32",))],
)
def test_a_cpu_that_stands_in_for_a_gpu_computes_as_the_original(device, precision, tried):
    """`--amp` is on with `--device cuda` unless it is said otherwise: nobody asked for a CPU in bf16."""
    assert precisions_tried(KINDS["openvino"], Choice(device, "openvino", precision=precision), "") == tried


def test_in_bf16_openvino_is_no_reason_to_leave_the_cpu_engine_in_fp32():
    assert precisions_tried(KINDS["openvino"], Choice("cpu", precision="bf16"), "") == ("bf16",)


@pytest.mark.parametrize("engine", ["cuda", "plugin:webgpu"])
def test_a_gpu_engine_on_the_cpu_is_a_contradiction(engine):
    with pytest.raises(EngineUnavailable, match=f"got engine {engine} with device cpu"):
        kinds_for(Choice("cpu", engine))


def test_an_engine_that_there_is_not_is_told_with_those_that_there_are():
    with pytest.raises(EngineUnavailable, match="got engine 'best', want one of auto, tensorrt"):
        kinds_for(Choice("cpu", "best"))


def test_when_none_opens_every_reason_is_told(bundle_copy):
    manifest, content = bundle_copy / MANIFEST, b"\x08\x0a"  # an ONNX file of nothing but its version
    document = json.loads(manifest.read_text())
    entry = document["models"]["detector"]["files"]["fp32"]
    entry |= {"path": "empty.onnx", "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (bundle_copy / "empty.onnx").write_bytes(content)
    manifest.write_text(json.dumps(document))
    with pytest.raises(EngineUnavailable, match="no engine opens detector: cpu: CPUExecutionProvider does not"):
        opened(bundle_copy)


def test_a_model_the_bundle_lacks_is_an_error_not_a_fallback(permuted_root):
    with pytest.raises(BundleError):
        opened(permuted_root / "weights" / "of3_bundle", "landmarks")


def test_landmarks_run_fp16_where_bf16_moves_them_too_far(bundle_folder):
    bundle = read_bundle(bundle_folder)
    precision, why = precision_for(bundle, "landmarks", "bf16")
    assert precision == "fp16"
    assert "fp16 in the place of bf16: bf16 moves points by" in why
    assert precision_for(bundle, "landmarks", "fp16") == ("fp16", "")
    assert precision_for(bundle, "multitask", "bf16") == ("bf16", "")


def test_a_changed_model_file_is_an_error_not_a_fallback(bundle_copy):
    path = bundle_copy / "detector.fp32.onnx"
    path.unlink()
    shutil.copy(bundle_copy / "multitask.fp32.onnx", path)
    with pytest.raises(BundleError, match="the file changed since the export"):
        opened(bundle_copy)
