"""Real builds by TensorRT for RTX, which needs no GPU to build."""

import hashlib
import json
import shutil
import stat

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from of3.engines import host
from of3.engines.base import EngineUnavailable
from of3.engines.cuda import Gpu
from of3.engines.manifest import read_bundle
from of3.engines.trt import choice, libraries
from of3.engines.trt import engine as trt
from of3.engines.trt import plan_file as plan
from of3.engines.trt.build import (
    PlanError,
    Target,
    build,
    capability,
    check_types,
    find_target,
    parsed,
    profile_of,
    set_flags,
)
from of3.runtime.commands import build as command

rtx = pytest.importorskip("tensorrt_rtx", reason="the extra rtx is not installed")

MODELS = ("detector", "multitask", "landmarks")
CAPABILITIES = ("8.0", "8.6", "8.9", "12.0")


def target(*capabilities, max_batch=8, tf32=False):
    return Target("tensorrt_rtx", plan.ANY_GPU, capabilities, max_batch, tf32)


@pytest.fixture
def bundle(bundle_copy):
    return read_bundle(bundle_copy)


@pytest.mark.parametrize(
    "precision", ["fp16", *(pytest.param(each, marks=pytest.mark.long) for each in ("fp32", "bf16"))]
)
@pytest.mark.parametrize("model", MODELS)
def test_every_network_builds_for_every_gpu_generation_at_once(bundle, model, precision):
    path = build(bundle, model, precision, target(*CAPABILITIES))
    card = plan.read_card(path.with_suffix(".json"))
    content = plan.read_plan(path.with_suffix(".json"), card)
    assert len(content) > 0.2 * bundle.model(model).files[precision].path.stat().st_size
    assert card.compute_capabilities == CAPABILITIES
    assert card.source_sha256 == bundle.model(model).files[precision].sha256
    assert card.version == rtx.__version__
    assert card.cuda_major == 13
    assert {tensor.name for tensor in card.tensors if not tensor.is_input} == {
        output.name for output in bundle.model(model).outputs
    }
    assert {tensor.dtype for tensor in card.tensors} == {"FLOAT"}
    assert trt.same_ends(card.tensors, trt.ends_of(bundle.model(card.model)))


@pytest.mark.long
@pytest.mark.parametrize("model", MODELS)
def test_every_network_builds_in_fp16_for_turing(bundle, model):
    assert build(bundle, model, "fp16", target("7.5")).stat().st_size > 0


def network_of(card, precision):
    messages = libraries.messages("tensorrt_rtx")
    builder = rtx.Builder(messages)
    return parsed(rtx, builder, messages, card, precision)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_convolutions_are_typed_as_asked(bundle, precision):
    network = network_of(bundle.model("multitask"), precision)
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    kinds = {
        layer.get_output(0).dtype.name
        for layer in layers
        if layer.type == rtx.LayerType.CONVOLUTION and "class_linears" not in layer.name
    }
    assert {"fp16": "HALF", "bf16": "BF16"}[precision] in kinds
    check_types(network, "multitask", precision)


@pytest.mark.parametrize(("built", "asked"), [("fp32", "bf16"), ("fp16", "bf16"), ("bf16", "fp32")])
def test_a_network_of_other_types_than_asked_is_refused(bundle, built, asked):
    network = network_of(bundle.model("detector"), built)
    with pytest.raises(PlanError, match="got layers in"):
        check_types(network, "detector", asked)


def plant(bundle, change):
    """The detector's fp16 graph changed by `change`, with its digest put right."""
    file = bundle.model("detector").files["fp16"]
    graph = onnx.load(file.path)
    change(graph.graph)
    file.path.unlink()
    file.path.write_bytes(graph.SerializeToString())
    manifest = bundle.folder / "bundle.json"
    content = file.path.read_bytes()
    document = json.loads(manifest.read_text())
    (entry,) = (
        entry
        for model in document["models"].values()
        for entry in model["files"].values()
        if entry["sha256"] == file.sha256
    )
    entry.update(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    manifest.write_text(json.dumps(document))
    return read_bundle(bundle.folder)


def mixed_types(graph):
    """An addition of fp16 and fp32, between the last output's last node and the output."""
    (last,) = (node for node in graph.node if graph.output[0].name in node.output)
    graph.initializer.append(numpy_helper.from_array(np.ones(1, np.float16), "one"))
    last.output[0] = "before"
    graph.node.append(helper.make_node("Add", ["before", "one"], [graph.output[0].name], name="planted_error"))


def test_a_planted_type_error_fails_with_its_nodes_name(bundle):
    planted = plant(bundle, mixed_types)
    with pytest.raises(PlanError, match="planted_error"):
        build(planted, "detector", "fp16", target("8.6"))


def test_an_operator_that_is_not_known_fails_with_its_name(bundle):
    def unknown(graph):
        graph.node[3].op_type = "Wobble"

    with pytest.raises(PlanError, match="Wobble"):
        build(plant(bundle, unknown), "detector", "fp16", target("8.6"))


def test_plans_are_for_their_owner_alone(bundle):
    path = build(bundle, "detector", "fp32", target("8.6"))
    for each in (path, path.with_suffix(".json")):
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
    for folder in (path.parent, path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(each.name for each in path.parent.iterdir()) == ["detector.fp32.json", "detector.fp32.plan"]


def test_profiles(bundle):
    assert profile_of(bundle.model("detector"), 32) == {
        "min": (1, 3, 32, 32),
        "opt": (1, 3, 720, 1280),
        "max": (1, 3, 4096, 4096),
    }
    assert profile_of(bundle.model("multitask"), 32) == {
        "min": (1, 3, 224, 224),
        "opt": (32, 3, 224, 224),
        "max": (32, 3, 224, 224),
    }


def test_the_command_builds_all_that_is_asked_for(bundle, caplog, bundle_copy):
    flags = ["--bundle", str(bundle_copy), "--backend", "tensorrt_rtx", "--compute_capability", "8.6,8.9"]
    assert command.main([*flags, "--precision", "fp16", "--max_batch", "4", "--tf32", "on"]) == 0
    (folder,) = (bundle_copy / "plans").iterdir()
    assert folder.name == f"any-sm86+sm89-rtx{rtx.__version__}-tf32"
    assert sorted(path.name for path in folder.glob("*.plan")) == [f"{m}.fp16.plan" for m in sorted(MODELS)]
    card = plan.read_card(folder / "multitask.fp16.json")
    assert card.tf32
    assert card.max_batch == 4


def test_every_failed_plan_is_told_and_the_others_are_built(bundle, bundle_copy, caplog):
    plant(bundle, mixed_types)
    flags = ["--bundle", str(bundle_copy), "--compute_capability", "8.6", "--backend", "tensorrt_rtx"]
    assert command.main([*flags, "--precision", "fp16"]) == 1
    assert "planted_error" in caplog.text
    assert len(list(bundle_copy.glob("plans/*/*.plan"))) == 2


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--compute_capability", "9.9"], "got compute capability 9.9, want some of"),
        (["--compute_capability", "7.5"], "bf16 needs compute capability 8.0"),
        (["--compute_capability", "8.6", "--backend", "tensorrt"], "tensorrt"),
    ],
)
def test_what_cannot_be_built_is_said_at_once(bundle_copy, caplog, flags, said):
    assert command.main(["--bundle", str(bundle_copy), *flags]) == 2
    assert said in caplog.text
    assert not (bundle_copy / "plans").exists()


def test_a_precision_that_nobody_knows_is_a_wrong_flag(bundle_copy, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(["--bundle", str(bundle_copy), "--precision", "fp8"])
    assert "got fp8, want some of fp32,fp16,bf16" in capsys.readouterr().err


def test_a_precision_that_the_bundle_lacks_is_said_with_the_remedy(bundle_copy, caplog):
    manifest = bundle_copy / "bundle.json"
    document = json.loads(manifest.read_text())
    for card in document["models"].values():
        del card["files"]["bf16"]
    manifest.write_text(json.dumps(document))
    flags = ["--compute_capability", "8.6", "--precision", "bf16"]
    assert command.main(["--bundle", str(bundle_copy), *flags]) == 2
    assert "want bf16: run `of3 export --force --precision ...`" in caplog.text


@pytest.mark.skipif(host.has_nvidia_device(), reason="this machine has a GPU")
def test_without_a_gpu_the_capability_must_be_given(bundle_copy, caplog):
    assert command.main(["--bundle", str(bundle_copy)]) == 2
    assert "pass --compute_capability" in caplog.text


def test_a_missing_bundle_is_said(tmp_path, caplog):
    assert command.main(["--bundle", str(tmp_path), "--compute_capability", "8.6"]) == 2
    assert "No such file" in caplog.text


def test_a_changed_graph_is_never_built(bundle, bundle_copy):
    path = bundle_copy / "detector.fp16.onnx"
    path.unlink()
    shutil.copy(bundle_copy / "detector.fp32.onnx", path)
    assert (
        command.main(["--bundle", str(bundle_copy), "--compute_capability", "8.6", "--precision", "fp16"]) == 2
    )
    assert not list(bundle_copy.glob("plans/*/detector*.plan"))


def test_a_plan_for_another_gpu_or_of_other_weights_does_not_fit(bundle):
    path = build(bundle, "detector", "fp16", target("8.6"))
    card = plan.read_card(path.with_suffix(".json"))

    def reasons(gpu, precision="fp16"):
        wanted = choice.wanted_here(bundle.model("detector"), precision, False, card.library, gpu)
        return list(plan.misfits(card, wanted))

    assert reasons(Gpu("NVIDIA RTX A6000", "8.6", 0)) == []
    assert "this GPU has 8.9" in reasons(Gpu("NVIDIA L4", "8.9", 0))[0]
    assert any("other weights" in reason for reason in reasons(Gpu("NVIDIA RTX A6000", "8.6", 0), "fp32"))


def test_capabilities_are_two_numbers():
    assert capability("12.0") == (12, 0)
    for wrong in ("12", "8.6.1", "a.b", ""):
        with pytest.raises(ValueError, match=r".*"):
            capability(wrong)


@pytest.mark.skipif("tensorrt" in libraries.installed(), reason="tensorrt is installed")
def test_tensorrt_that_is_not_there_is_told_with_the_remedy():
    with pytest.raises(EngineUnavailable, match="pip install"):
        find_target("tensorrt", (), 8, False)


def test_the_sidecar_is_json_with_every_field(bundle):
    path = build(bundle, "detector", "fp32", target("8.6"))
    document = json.loads(path.with_suffix(".json").read_text())
    assert document["format"] == "of3-plan"
    assert set(document["plan"]) == set(plan.PlanCard.__slots__)


@pytest.mark.parametrize(
    ("model", "is_recorded"), [("multitask", True), ("landmarks", True), ("detector", False)]
)
def test_plans_that_are_recorded_as_graphs_leave_their_memory_to_the_user(bundle, model, is_recorded):
    """TensorRT for RTX cannot be captured where it may allocate."""
    builder = rtx.Builder(libraries.messages("tensorrt_rtx"))
    config = builder.create_builder_config()
    set_flags(rtx, config, target("8.6"), is_recorded=not bundle.model(model).input.is_free)
    assert config.get_flag(rtx.BuilderFlag.REQUIRE_USER_ALLOCATION) == is_recorded
    assert not config.get_flag(rtx.BuilderFlag.TF32)


def test_plans_with_and_without_tf32_do_not_share_a_file(bundle):
    exact, rounded = (build(bundle, "detector", "fp32", target("8.6", tf32=each)) for each in (False, True))
    assert exact != rounded
    assert not plan.read_card(exact.with_suffix(".json")).tf32
    assert plan.read_card(rounded.with_suffix(".json")).tf32
