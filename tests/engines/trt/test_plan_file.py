"""A plan on disk: what is checked before it may be opened.  No TensorRT is needed to refuse."""

import hashlib
import json
import os
from dataclasses import replace

import pytest

from of3.engines.base import EngineUnavailable
from of3.engines.trt import plan_file as plan

CONTENT = b"plan" * 100
CARD = plan.PlanCard(
    model="detector",
    precision="fp16",
    tf32=False,
    library="tensorrt",
    version="11.4.0.106",
    cuda_major=13,
    gpu="NVIDIA H200",
    compute_capabilities=("9.0",),
    system=plan.system(),
    profile={"min": (1, 3, 32, 32), "opt": (1, 3, 720, 1280), "max": (4, 3, 2160, 3840)},
    tensors=(plan.TensorCard("image", True, "FLOAT", (-1, 3, -1, -1)),),
    source_sha256="aa" * 32,
    plan_sha256=hashlib.sha256(CONTENT).hexdigest(),
    plan_bytes=len(CONTENT),
)
WANTED = plan.Wanted(
    model="detector",
    precision="fp16",
    tf32=False,
    libraries={"tensorrt": "11.4.0.106"},
    cuda_major=13,
    gpu="NVIDIA H200",
    compute_capability="9.0",
    source_sha256="aa" * 32,
)


@pytest.fixture
def sidecar(tmp_path):
    tmp_path.chmod(0o755)
    folder = tmp_path / "plans" / "gpu"
    folder.mkdir(parents=True, mode=0o700)
    folder.parent.chmod(0o700)
    path = folder / "detector.fp16.json"
    path.write_text(plan.sidecar_text(CARD))
    path.with_suffix(".plan").write_bytes(CONTENT)
    path.chmod(0o600)
    path.with_suffix(".plan").chmod(0o600)
    return path


def test_a_sidecar_is_read_back_as_written(sidecar, tmp_path):
    assert plan.read_card(sidecar) == CARD
    assert plan.read_plan(sidecar, CARD) == CONTENT
    assert plan.sidecars(tmp_path, "detector", "fp16") == [sidecar]
    assert plan.sidecars(tmp_path, "detector", "bf16") == []


def test_a_plan_for_here_and_now_has_no_misfit():
    assert list(plan.misfits(CARD, WANTED)) == []
    everywhere = replace(CARD, gpu=plan.ANY_GPU, compute_capabilities=("8.6", "9.0"))
    assert list(plan.misfits(everywhere, WANTED)) == []
    assert list(plan.misfits(replace(CARD, tf32=True), replace(WANTED, tf32=True))) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "10.16.1.11"}, "built by tensorrt 10.16.1.11, installed is 11.4.0.106"),
        ({"library": "tensorrt_rtx"}, "needs tensorrt_rtx 11.4.0.106, which cannot be imported"),
        ({"cuda_major": 12}, "built for CUDA 12, here runs CUDA 13"),
        ({"gpu": "NVIDIA A100"}, "built on NVIDIA A100, this is NVIDIA H200"),
        ({"compute_capabilities": ("8.0", "8.6")}, "compute capability 8.0, 8.6, this GPU has 9.0"),
        ({"system": "Windows AMD64"}, "built on Windows AMD64"),
        ({"tf32": True}, "built with --tf32 on, this run asks for off"),
        ({"source_sha256": "bb" * 32}, "other weights or another export"),
        ({"model": "multitask"}, "it is multitask fp16, not detector fp16"),
        ({"precision": "bf16"}, "it is detector bf16, not detector fp16"),
    ],
)
def test_every_misfit_is_told(change, said):
    (reason,) = plan.misfits(replace(CARD, **change), WANTED)
    assert said in reason


def plan_file(sidecar):
    return sidecar.with_suffix(".plan")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(CONTENT[:-1]),
        lambda path: path.write_bytes(CONTENT + b"x"),
        lambda path: path.write_bytes(b"q" + CONTENT[1:]),
        lambda path: path.write_bytes(b""),
    ],
    ids=["truncated", "longer", "changed", "empty"],
)
def test_a_plan_that_is_not_as_built_is_refused(sidecar, spoil):
    spoil(plan_file(sidecar))
    with pytest.raises(EngineUnavailable, match="truncated or changed since it was built: run `of3 build"):
        plan.read_plan(sidecar, CARD)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_plan_others_can_write_is_refused(sidecar, mode):
    plan_file(sidecar).chmod(mode)
    with pytest.raises(EngineUnavailable, match="can be written by others"):
        plan.read_plan(sidecar, CARD)


@pytest.mark.parametrize("steps", [0, 1, 2], ids=["its folder", "plans", "the bundle"])
def test_a_plan_in_a_folder_others_can_write_is_refused(sidecar, steps):
    sidecar.parents[steps].chmod(0o770)
    with pytest.raises(EngineUnavailable, match="can be written by others"):
        plan.read_card(sidecar)


def test_a_plan_of_another_owner_is_refused(sidecar):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(plan_file(sidecar), 12345, 12345)
    with pytest.raises(EngineUnavailable, match="belongs to another user"):
        plan.read_plan(sidecar, CARD)


def test_a_link_is_refused(sidecar, tmp_path):
    plan_file(sidecar).rename(tmp_path / "elsewhere")
    plan_file(sidecar).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EngineUnavailable, match=r"detector.fp16.plan: "):
        plan.read_plan(sidecar, CARD)


def test_a_fifo_is_refused_at_once(sidecar):
    plan_file(sidecar).unlink()
    os.mkfifo(plan_file(sidecar), 0o600)
    with pytest.raises(EngineUnavailable, match="not a regular file"):
        plan.read_plan(sidecar, CARD)


def test_a_missing_plan_is_said(sidecar):
    plan_file(sidecar).unlink()
    with pytest.raises(EngineUnavailable, match="No such file"):
        plan.read_plan(sidecar, CARD)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"format": "of3-plan"}',
        '{"format": "of3-plan", "revision": 1}',
        "\xff",
    ],
)
def test_a_damaged_sidecar_is_refused(sidecar, text):
    sidecar.write_text(text, "latin-1")
    with pytest.raises(EngineUnavailable, match="run `of3 build"):
        plan.read_card(sidecar)


@pytest.mark.parametrize("field", [*json.loads(plan.sidecar_text(CARD))["plan"]])
@pytest.mark.parametrize("value", [None, {}, "wrong"], ids=["missing", "empty", "text"])
def test_a_sidecar_with_a_wrong_field_is_refused_by_name(sidecar, field, value):
    document = json.loads(sidecar.read_text())
    if value == "wrong" and isinstance(document["plan"][field], str):
        return  # a text where text belongs
    document["plan"][field] = value
    if value is None:
        del document["plan"][field]
    sidecar.write_text(json.dumps(document))
    with pytest.raises(EngineUnavailable, match=field):
        plan.read_card(sidecar)


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("plan_bytes",), 10**300),
        (("plan_bytes",), True),
        (("plan_bytes",), -1),
        (("cuda_major",), True),
        (("profile", "min"), [0, 3, 32, 32]),
        (("profile", "max"), [10**300, 3, 32, 32]),
        (("profile", "opt"), []),
        (("tensors", 0, "shape"), [-2, 3, 8, 8]),
        (("tensors", 0, "shape"), [True, 3, 8, 8]),
    ],
)
def test_a_number_that_no_build_writes_is_refused_by_name(sidecar, way, value):
    document = json.loads(sidecar.read_text())
    at = document["plan"]
    for name in way[:-1]:
        at = at[name]
    at[way[-1]] = value
    sidecar.write_text(json.dumps(document))
    with pytest.raises(EngineUnavailable, match=way[0]):
        plan.read_card(sidecar)
