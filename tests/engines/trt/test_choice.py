"""Which plan is tried first, and which after it."""

from dataclasses import replace

import pytest

from of3.engines.base import EngineUnavailable
from of3.engines.cuda import Gpu
from of3.engines.manifest import read_bundle
from of3.engines.trt import choice, libraries, plan_file
from of3.engines.trt.engine import ends_of
from of3.engines.trt.plan_file import ANY_GPU, PlanCard

A6000 = Gpu("NVIDIA RTX A6000", "8.6", 48 << 30)


@pytest.fixture
def bundle(bundle_copy):
    bundle_copy.chmod(0o755)
    return read_bundle(bundle_copy)


@pytest.fixture
def planned(bundle, monkeypatch):
    """Writes a plan's sidecar into a folder of `plans`, for the libraries that are told to be installed."""
    card = bundle.model("multitask")
    monkeypatch.setattr(libraries, "installed", lambda: {"tensorrt": "11.4", "tensorrt_rtx": "1.7"})
    monkeypatch.setattr(plan_file, "cuda_major_of", lambda library: 13)
    usual = PlanCard(
        model="multitask",
        precision="fp16",
        tf32=False,
        library="tensorrt_rtx",
        version="1.7",
        cuda_major=13,
        gpu=ANY_GPU,
        compute_capabilities=("8.6",),
        system=plan_file.system(),
        profile={"min": (1, 3, 224, 224), "opt": (32, 3, 224, 224), "max": (32, 3, 224, 224)},
        tensors=ends_of(card),
        source_sha256=card.files["fp16"].sha256,
        plan_sha256="",
        plan_bytes=1,
    )

    def write(folder, **changes):
        path = bundle.folder / "plans" / folder / "multitask.fp16.json"
        path.parent.mkdir(parents=True, mode=0o700)
        path.parent.parent.chmod(0o700)
        path.write_text(plan_file.sidecar_text(replace(usual, **changes)))
        path.chmod(0o600)

    return write


def order(bundle, tf32=False):
    refused: list[str] = []
    found = choice.fitting(bundle, bundle.model("multitask"), "fp16", tf32, A6000, refused)
    return [sidecar.parent.name for sidecar, _ in sorted(found, key=choice.rank)], refused


def test_the_plan_of_this_very_gpu_is_tried_before_those_of_any(bundle, planned):
    planned("any-sm86-rtx1.7")
    planned("nvidia-rtx-a6000-sm86-trt11.4", library="tensorrt", version="11.4", gpu=A6000.name)
    assert order(bundle)[0] == ["nvidia-rtx-a6000-sm86-trt11.4", "any-sm86-rtx1.7"]


def test_a_plan_for_more_faces_and_for_fewer_gpus_is_tried_first(bundle, planned):
    few = {name: (1 if name == "min" else 8, 3, 224, 224) for name in ("min", "opt", "max")}
    planned("a-few", profile=few)
    planned("b-many-gpus", compute_capabilities=("8.0", "8.6", "8.9"))
    planned("c-this-kind")
    assert order(bundle)[0] == ["c-this-kind", "b-many-gpus", "a-few"]


def test_a_tf32_plan_is_tried_first_where_tf32_is_allowed_and_never_where_not(bundle, planned):
    planned("a-exact")
    planned("b-rounded", tf32=True)
    assert order(bundle, tf32=True)[0] == ["b-rounded", "a-exact"]
    assert order(bundle, tf32=False)[0] == ["a-exact"]
    assert "it was built with --tf32 on, this run asks for off" in order(bundle)[1][0]


def test_a_plan_that_does_not_open_is_followed_by_the_next_that_fits(bundle, planned, caplog):
    """Neither has its file, so that every reason is told."""
    planned("a-first", library="tensorrt", version="11.4", gpu=A6000.name)
    planned("b-second")
    card = bundle.model("multitask")
    refused: list[str] = []
    found = sorted(choice.fitting(bundle, card, "fp16", False, A6000, refused), key=choice.rank)
    assert list(choice.running(card, found, A6000, graphs=True, refused=refused)) == []
    assert len(refused) == 2
    assert caplog.text.count("the next is tried") == 2


def test_a_precision_that_the_bundle_lacks_is_said(bundle):
    with pytest.raises(EngineUnavailable, match="holds multitask as fp32, fp16, bf16, not fp8"):
        list(choice.fitting(bundle, bundle.model("multitask"), "fp8", False, A6000, []))
