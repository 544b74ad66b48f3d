"""Engines that drift, break, or do not open: measured on them, and named."""

import numpy as np
import pytest

from of3.engines.base import EngineFailed, EngineUnavailable
from of3.engines.manifest import read_bundle
from of3.engines.registry import CPU, FAKE, Kind
from of3.engines.selfcheck import FAILS
from of3.export.pictures import draw_face
from of3.verify.engines import findings, variants
from of3.verify.fp32 import Fp32

PRECISIONS = {precision: (precision,) for precision in ("fp32", "fp16", "bf16")}


class Changed:
    """An engine of the contract whose numbers are another's, changed."""

    max_in_flight = 1

    def __init__(self, engine, name, change):
        self.engine, self.name, self.max_batch, self._change = engine, name, engine.max_batch, change

    def run(self, batch):
        return {name: self._change(name, value) for name, value in self.engine.run(batch).items()}

    def start(self, batch):
        outputs = self.run(batch)
        return lambda: outputs

    def close(self):
        self.engine.close()


def kind_of(change, precisions=PRECISIONS):
    """A GPU's, by its name, that computes what the CPU does, changed by precision."""

    def opened(bundle, model, precision, tf32, threads):
        engine = CPU.open(bundle, model, "fp32", False, threads)
        said = "tf32" if tf32 else precision
        return Changed(engine, f"planted {said}", lambda name, value: change(said, name, value))

    return Kind("planted", "cuda", precisions, {}, "", lambda: None, opened)


@pytest.fixture(scope="module")
def known(bundle_folder):
    with Fp32(read_bundle(bundle_folder)) as fp32:
        yield {"multitask": fp32.known("multitask", [draw_face(seed) for seed in range(10)])}


@pytest.fixture
def found(bundle_folder, known):
    def of(kind):
        return {finding.item: finding for finding in findings(read_bundle(bundle_folder), known, [kind])}

    return of


def verdicts(found):
    return {item: finding.verdict for item, finding in found.items()}


def figures(finding):
    return {(figure.of, figure.name): figure for figure in finding.figures}


def test_every_precision_of_an_engine_is_measured_by_itself(found):
    assert verdicts(found(kind_of(lambda said, name, value: value))) == {
        "multitask on planted fp32": "holds",
        "multitask on planted tf32": "holds",
        "multitask on planted fp16": "holds",
        "multitask on planted bf16": "holds",
    }


def test_a_precision_that_drifts_is_named_with_the_output_and_how_far(found):
    def drifting(said, name, value):
        return value + np.float32(0.5) if (said, name) == ("bf16", "au") else value

    made = found(kind_of(drifting))
    assert [item for item, word in verdicts(made).items() if word == "does not hold"] == [
        "multitask on planted bf16"
    ]
    finding = made["multitask on planted bf16"]
    assert finding.said.startswith("drifts: au from the export's 0.5 presence in [0,1], want at most")
    told = figures(finding)
    assert told["au", "from fp32: median"].value == pytest.approx(0.5, abs=1e-3)
    assert told["gaze_rad", "largest"].value < 1e-6
    assert told["action units from 0.5 on", "decided otherwise"].value > 0.1


def test_numbers_that_are_none_drift(found):
    made = found(kind_of(lambda said, name, value: value * np.nan if name == "au" else value))
    assert set(verdicts(made).values()) == {"does not hold"}


def test_fp32_may_not_do_what_tf32_may(found):
    """Tenths of a percent: a rounding of TF32, none of fp32."""
    made = found(kind_of(lambda said, name, value: value * np.float32(1.01)))
    assert verdicts(made)["multitask on planted fp32"] == "does not hold"
    assert verdicts(made)["multitask on planted tf32"] == "holds"


def test_batches_that_differ_from_single_pictures_are_found(found):
    def mixing(said, name, value):
        return value + np.float32(0.1) if len(value) in (2, 8) and name == "gaze_rad" else value

    only = dict.fromkeys(PRECISIONS, ("fp32",))
    finding = found(kind_of(mixing, only))["multitask on planted fp32"]
    assert finding.verdict == "does not hold"
    assert finding.said.startswith("batches of 8 differ from single pictures: gaze_rad batch 1 from 8")
    assert "--batch 1" in finding.remedy


def refusing(error, check=lambda: None):
    def opened(*_):
        raise error

    return Kind("refusing", "cuda", dict.fromkeys(PRECISIONS, ("fp32",)), {}, "", check, opened)


def test_an_engine_that_fails_its_self_check_when_it_is_opened_drifts(found):
    made = found(refusing(EngineUnavailable(f"planted {FAILS} of multitask: au differs by 1, bound 0.1")))
    finding = made["multitask on refusing fp32"]
    assert finding.verdict == "does not hold"
    assert finding.said.startswith("drifts: planted fails the self-check of multitask: au differs")


def test_an_engine_that_does_not_open_leaves_it_open(found):
    finding = found(refusing(EngineUnavailable("no plan: run `of3 build`")))["multitask on refusing fp32"]
    assert (finding.verdict, finding.said) == ("cannot tell", "does not open: no plan: run `of3 build`")


def test_an_engine_that_is_not_here_is_told_once(found):
    def check():
        raise EngineUnavailable("no NVIDIA GPU here")

    made = found(refusing(EngineUnavailable("x"), check))
    assert [(item, finding.said) for item, finding in made.items()] == [
        ("refusing", "not here: no NVIDIA GPU here")
    ]


def test_an_engine_that_breaks_is_found(found):
    def breaking(said, name, value):
        raise EngineFailed("device lost")

    finding = found(kind_of(breaking))["multitask on planted fp32"]
    assert (finding.verdict, finding.said) == ("does not hold", "breaks: device lost")


def test_an_engine_without_a_network_is_found(found):
    assert verdicts(found(FAKE)) == {"multitask on fake fp32": "does not hold"}


def test_precisions_that_another_stands_in_for_are_not_measured_twice():
    assert [(variant.precision, variant.tf32) for variant in variants(CPU)] == [("fp32", False)]
