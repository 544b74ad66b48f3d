"""Engines that break while `of3 run` is at work, or before."""

import csv
import json
import shutil

import pytest

from of3.engines.base import BatchRefused, EngineFailed, EngineUnavailable
from of3.engines.bundle import BundleError
from of3.engines.fallback import Candidate, Fallback
from of3.engines.open import open_engine
from of3.engines.registry import KINDS
from of3.runtime import networks
from of3.runtime.networks import DETECTOR, MULTITASK
from of3.runtime.pipeline import Pipeline
from of3.runtime.settings import Settings


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def info(out):
    return json.loads((out / "run.json").read_text())


class Broken:
    """Runs two batches, or as many as it is told to, then never again."""

    name, max_batch, max_in_flight = "broken", 64, 2

    def __init__(self, engine, batches=2):
        self._engine, self._left = engine, batches

    def start(self, batch):
        self._left -= 1
        if self._left < 0:
            raise EngineFailed("the device is lost")
        return self._engine.start(batch)

    def run(self, batch):
        return self.start(batch)()

    def close(self):
        pass


def breaking(monkeypatch, has_next, whose=MULTITASK, batches=2):
    """Let an engine of every pipeline break after some batches."""

    def open_broken(bundle, model, choice, share):
        engine = open_engine(bundle, model, choice, share)
        if model != whose:
            return engine
        candidates = [Candidate(KINDS["tensorrt"], "bf16", lambda: Broken(engine, batches))]
        return Fallback(model, candidates + [Candidate(KINDS["cpu"], "fp32", lambda: engine)] * has_next)

    monkeypatch.setattr(networks, "open_engine", open_broken)


def test_an_engine_that_breaks_in_mid_run_loses_no_row(run, out, monkeypatch, caplog):
    run("--batch", "1", "--no_calib", "on")
    want = rows(out / "openface3.csv")
    breaking(monkeypatch, has_next=True)
    assert run("--batch", "1", "--no_calib", "on", "--override") == 0
    assert rows(out / "openface3.csv") == want
    assert "the device is lost; going on from this batch on onnxruntime" in caplog.text
    engine = info(out)["engines"]["multitask"]
    assert engine["kind"] == "cpu"
    assert engine["refused"][-1]["reason"] == "failed in mid-run: the device is lost"
    assert engine["batches"] == {"broken": 2, engine["runs"]: 3}


def test_when_no_engine_is_left_the_run_ends_with_exit_1(run, out, monkeypatch, caplog):
    breaking(monkeypatch, has_next=False)
    assert run("--batch", "1", "--no_calib", "on") == 1
    assert "none is left to go on: the device is lost" in caplog.text
    assert not info(out)["finished"]


DETECTING = ("--batch", "1", "--no_calib", "on", "--skip_detect", "off")


@pytest.fixture
def twenty_more(aligned):
    """More pictures than are looked at ahead of the first row."""
    for number in range(20):
        shutil.copy(aligned / "face_0.png", aligned / f"more_{number:02d}.png")


def test_a_broken_detector_ends_the_run_and_makes_no_failed_rows(run, out, twenty_more, monkeypatch, caplog):
    breaking(monkeypatch, has_next=False, whose=DETECTOR, batches=18)
    assert run(*DETECTING) == 1
    assert "none is left to go on: the device is lost" in caplog.messages[-1]
    assert "--resume on goes on from there" in caplog.messages[-1]
    assert "the device is lost" not in (out / "errors.tsv").read_text()


def test_a_run_that_a_broken_detector_ended_goes_on_where_it_was(run, out, twenty_more, monkeypatch):
    run(*DETECTING)
    want = rows(out / "openface3.csv")
    with monkeypatch.context() as patched:
        breaking(patched, has_next=False, whose=DETECTOR, batches=18)
        assert run(*DETECTING, "--override") == 1
        assert 0 < len(rows(out / "openface3.csv")) < len(want)
    assert run(*DETECTING, "--resume", "on") == 0
    assert rows(out / "openface3.csv") == want


def test_a_broken_detector_is_followed_by_the_next_and_no_row_is_lost(run, out, monkeypatch, caplog):
    run(*DETECTING)
    want = rows(out / "openface3.csv")
    breaking(monkeypatch, has_next=True, whose=DETECTOR)
    assert run(*DETECTING, "--override") == 0
    assert rows(out / "openface3.csv") == want
    assert caplog.text.count("going on from this batch") == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (EngineUnavailable, "the engine failed and none is left to go on: the device is lost"),
        (BundleError, "detector.fp32.onnx is gone"),
    ],
)
def test_a_next_detector_that_does_not_open_ends_the_run_too(run, monkeypatch, caplog, error, said):
    def gone():
        raise error("detector.fp32.onnx is gone")

    def open_broken(bundle, model, choice, share):
        engine = open_engine(bundle, model, choice, share)
        broken = Candidate(KINDS["tensorrt"], "bf16", lambda: Broken(engine))
        return Fallback(model, [broken, Candidate(KINDS["cpu"], "fp32", gone)]) if model == DETECTOR else engine

    monkeypatch.setattr(networks, "open_engine", open_broken)
    assert run(*DETECTING) == 1
    assert caplog.messages[-1] == said


def test_a_picture_that_every_engine_refuses_is_one_failed_row(run, out, monkeypatch):
    class Picky(Broken):
        def start(self, batch):
            self._left -= 1
            if self._left == 0:
                raise BatchRefused("got 9999x9999 pixels, want at most 4032x4032")
            return self._engine.start(batch)

    def open_picky(bundle, model, choice, share):
        engine = open_engine(bundle, model, choice, share)
        picky = [Candidate(KINDS["cpu"], "fp32", lambda: Picky(engine))]
        return Fallback(model, picky) if model == DETECTOR else engine

    monkeypatch.setattr(networks, "open_engine", open_picky)
    assert run(*DETECTING) == 0
    assert (out / "errors.tsv").read_text().count("want at most 4032x4032") == 1


def test_an_engine_that_breaks_in_the_calibration_is_followed_by_the_next(run, out, monkeypatch, caplog):
    run("--batch", "1")
    want, order = rows(out / "openface3.csv"), (out / "au_info.json").read_text()
    breaking(monkeypatch, has_next=True)
    assert run("--batch", "1", "--calib_cache", "off", "--override") == 0
    assert "the device is lost; going on from this batch on onnxruntime" in caplog.text
    assert rows(out / "openface3.csv") == want
    assert (out / "au_info.json").read_text() == order


def test_when_the_last_engine_breaks_in_the_calibration_that_is_one_line_and_exit_1(
    run, out, monkeypatch, caplog
):
    breaking(monkeypatch, has_next=False)
    assert run("--batch", "1") == 1
    assert "none is left to go on: the device is lost" in caplog.messages[-1]
    assert not (out / "openface3.csv").exists()


def test_a_next_engine_whose_file_has_changed_by_then_is_one_line_and_exit_1(run, monkeypatch, caplog):
    def changed():
        raise BundleError("multitask.fp32.onnx: the file changed since the export")

    def open_broken(bundle, model, choice, share):
        engine = open_engine(bundle, model, choice, share)
        broken = Candidate(KINDS["tensorrt"], "bf16", lambda: Broken(engine))
        return Fallback(model, [broken, Candidate(KINDS["cpu"], "fp32", changed)])

    monkeypatch.setattr(networks, "open_engine", open_broken)
    assert run("--batch", "1") == 1
    assert "the file changed since the export" in caplog.messages[-1]


def test_two_slots_keep_the_order(bundle_folder, standin_root, monkeypatch):
    pictures = sorted(standin_root.glob("images/*.png")) + sorted(standin_root.glob("images/au/*.png"))
    mixed = [pictures[0], "none.png", *pictures[1:], "gone.png"]
    with Pipeline.open(bundle_folder) as pipeline:
        want = [result.source for result in pipeline.run(mixed)]
    breaking(monkeypatch, has_next=True)
    with Pipeline.open(bundle_folder, Settings(batch=2)) as pipeline:
        assert pipeline.networks.max_in_flight(MULTITASK) == 2
        assert [result.source for result in pipeline.run(mixed)] == want == [str(path) for path in mixed]
