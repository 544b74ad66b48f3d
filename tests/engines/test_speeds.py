"""Which engine of the CPU was measured to be the faster: what is kept of it, and when it holds."""

import json

import pytest

from of3.engines import speeds
from of3.engines.base import CpuThreads
from of3.engines.bundle import BundleError
from of3.engines.manifest import read_bundle
from of3.engines.open import Choice, open_engine
from of3.engines.registry import CPU, FAKE

FASTER = {"multitask": {"openvino": 100.0, "cpu": 90.0}, "landmarks": {"openvino": 4.0, "cpu": 3.9}}


@pytest.fixture
def bundle(bundle_copy):
    return read_bundle(bundle_copy)


def keep(bundle, text):
    path = speeds.path_of(bundle)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_without_a_measurement_nobody_knows(bundle):
    assert speeds.fastest(bundle, "multitask") == ""


def test_the_faster_one_is_taken_model_by_model_where_the_difference_is_no_chance(bundle):
    keep(bundle, speeds.document(bundle, FASTER))
    taken = [speeds.fastest(bundle, model) for model in ("multitask", "landmarks", "detector")]
    assert taken == ["openvino", "", ""]


def test_a_run_takes_it_and_says_so_where_it_does_not_open(bundle):
    keep(bundle, speeds.document(bundle, FASTER))
    with_it = open_engine(bundle, "multitask", Choice("cpu"), CpuThreads(1))
    assert "openvino" in [with_it.kind.name, *(refusal.engine for refusal in with_it.refusals)]
    without = open_engine(bundle, "landmarks", Choice("cpu"), CpuThreads(1))
    assert (without.kind.name, without.refusals) == ("cpu", [])
    by_name = open_engine(bundle, "multitask", Choice("cpu", "cpu"), CpuThreads(1))
    assert (by_name.kind.name, by_name.refusals) == ("cpu", [])
    for engine in (with_it, without, by_name):
        engine.close()


def test_a_measurement_of_another_bundle_does_not_hold(bundle):
    document = json.loads(speeds.document(bundle, FASTER))
    keep(bundle, json.dumps({**document, "bundle": "0" * 64}))
    assert speeds.fastest(bundle, "multitask") == ""


@pytest.mark.parametrize("other", ["processor", "onnxruntime", "onnxruntime-ep-openvino"])
def test_a_measurement_of_another_machine_or_other_versions_does_not_hold(bundle, monkeypatch, other):
    path = keep(bundle, speeds.document(bundle, FASTER))
    there = speeds.conditions()
    monkeypatch.setattr(speeds, "conditions", lambda: {**there, other: "another"})
    assert speeds.path_of(bundle) != path
    assert speeds.fastest(bundle, "multitask") == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": "of3-bundle"}',
        '{"format": "of3-speeds"}',
        '{"format": "of3-speeds", "bundle": 1}',
        '{"format": "of3-speeds", "bundle": "DIGEST", "images_per_s": []}',
        '{"format": "of3-speeds", "bundle": "DIGEST", "images_per_s": {"multitask": {"best": 1}}}',
        '{"format": "of3-speeds", "bundle": "DIGEST", "images_per_s": {"multitask": {"cpu": NaN}}}',
        '{"format": "of3-speeds", "bundle": "DIGEST", "images_per_s": {"multitask": {"cpu": -1}}}',
        '{"format": "of3-speeds", "bundle": "DIGEST", "images_per_s": {"multitask": 3}}',
    ],
)
def test_what_is_no_measurement_is_refused_with_the_remedy(bundle, text):
    keep(bundle, text.replace("DIGEST", bundle.digest))
    with pytest.raises(BundleError, match=r"run `of3 doctor --bundle DIR` again, or remove it"):
        speeds.fastest(bundle, "multitask")


def test_engines_are_measured_in_turn_on_the_bundles_own_pictures(bundle):
    rates = speeds.measure(bundle, "multitask", (FAKE, CPU))
    assert list(rates) == ["fake", "cpu"]
    assert rates["fake"] > rates["cpu"] > 1
    assert speeds.clearly_first(rates) == "fake"
