"""`of3 run`: which engine runs, what is said of it, and run.json."""

import csv
import json
import logging
import shutil

import pytest

from of3.engines import host, plugins
from of3.engines.base import BatchRefused, EngineFailed, EngineUnavailable
from of3.engines.bundle import BundleError
from of3.engines.fallback import Candidate, Fallback
from of3.engines.open import open_engine
from of3.engines.registry import KINDS
from of3.runtime import networks
from of3.runtime.networks import DETECTOR, MULTITASK
from of3.runtime.pipeline import Pipeline
from of3.runtime.settings import Settings

has_openvino = "openvino" in [plugin.name for plugin in plugins.installed()]
no_gpu = pytest.mark.skipif(host.has_nvidia_device(), reason="this machine has a GPU")


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def info(out):
    return json.loads((out / "run.json").read_text())


@no_gpu
def test_one_line_for_all_models_and_every_refusal_in_run_json(run, out, caplog):
    caplog.set_level(logging.INFO)
    run("--landmarks", "on")
    (line,) = (text for text in caplog.messages if "onnxruntime" in text)
    assert line.endswith("CPU fp32: no NVIDIA GPU here")
    for model in ("multitask", "detector", "landmarks"):
        refused = info(out)["engines"][model]["refused"]
        assert [refusal["engine"] for refusal in refused] == ["tensorrt", "cuda"]
        assert all("pip uninstall" not in refusal["reason"] for refusal in refused)


def test_on_the_cpu_there_is_nothing_to_refuse(run, caplog):
    caplog.set_level(logging.INFO)
    run("--device", "cpu")
    (line,) = (text for text in caplog.messages if "onnxruntime" in text)
    assert line.endswith("CPU fp32")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ["--engine", "plugin:none"],
            "CPU fp32: not plugin:none: not installed: pip install onnxruntime-ep-none",
        ),
        (["--device", "cpu", "--amp", "on", "--dtype", "fp16"], "CPU fp32 (no engine of the CPU runs fp16)"),
        pytest.param(
            ["--device", "cpu", "--amp", "on"],
            "CPU fp32: not openvino: bf16 wants a processor with AMX or AVX512-BF16",
            marks=pytest.mark.skipif(host.has_bf16(), reason="this processor has bf16"),
        ),
        pytest.param(
            ["--device", "cpu", "--engine", "openvino"],
            "CPU fp32: not openvino: not installed: pip install 'of3[openvino]'",
            marks=pytest.mark.skipif(has_openvino, reason="OpenVINO is installed"),
        ),
    ],
)
def test_what_was_asked_for_and_does_not_run_is_told_in_the_one_line(run, caplog, flags, said):
    caplog.set_level(logging.INFO)
    assert run(*flags) == 0
    (line,) = (text for text in caplog.messages if "onnxruntime" in text)
    assert said in line


@no_gpu
@pytest.mark.parametrize(
    "flags", [["--require"], ["--engine", "cuda", "--require"], ["--device", "cpu", "--engine", "tensorrt"]]
)
def test_a_required_engine_that_is_not_there_is_exit_2(run, out, flags):
    assert run(*flags) == 2
    assert not (out / "openface3.csv").exists()


@pytest.mark.parametrize("flags", [["--engine", "cpu", "--require"], ["--device", "cpu", "--require"]])
def test_the_cpu_can_be_required(run, out, flags):
    assert run(*flags) == 0
    assert info(out)["engines"]["multitask"]["kind"] == "cpu"


def test_run_json_says_what_ran_and_how_it_went(run, out, bundle_folder):
    run("--batch", "3")
    found = info(out)
    assert found["finished"]
    assert found["counts"] == {
        "images": 6,
        "done": 5,
        "damaged": 0,
        "several_faces": 0,
        "large": 0,
        "tilted": 0,
        "implausible": 0,
        "skipped": 0,
        "failed": {"unreadable": 1},
    }
    assert found["images_per_s"] > 0
    assert found["flags"]["batch"] == 3
    assert found["flags"]["dtype"] == "bf16"
    assert found["bundle"]["stand_in"]
    assert len(found["bundle"]["sha256"]) == 64
    assert found["versions"]["numpy"]
    assert found["versions"]["of3"]
    engine = found["engines"]["multitask"]
    assert engine["runs"].startswith("onnxruntime ")
    assert engine["precision"] == "fp32"
    assert engine["batches"] == {engine["runs"]: 2}
    assert {refusal["engine"] for refusal in engine["refused"]} <= {"tensorrt", "cuda"}


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


def test_a_picture_that_comes_alone_is_counted_too(run, out, aligned):
    """It has engines of its own, with all cores on one run."""
    for path in (*aligned.rglob("*.png"), aligned / "broken.jpg"):
        if path != aligned / "face_0.png":
            path.unlink()
    assert run("--device", "cpu") == 0
    assert list(info(out)["engines"]["multitask"]["batches"].values()) == [1]


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


@pytest.fixture
def measured(bundle_copy):
    """A bundle whose export measured this gaze order."""

    def with_order(order):
        manifest = bundle_copy / "bundle.json"
        document = json.loads(manifest.read_text())
        document["labels"]["gaze_measured"] = order
        manifest.write_text(json.dumps(document))
        return str(bundle_copy)

    return with_order


def test_a_measured_order_that_contradicts_the_logs_is_one_warning(run, measured, caplog, out):
    bundle = measured(["pitch", "yaw"])
    run("--bundle", bundle)
    assert sum("--gaze_order measured" in text for text in caplog.messages) == 1
    seed = rows(out / "openface3.csv")[1]
    caplog.clear()
    run("--bundle", bundle, "--gaze_order", "measured", "--override")
    assert "mirror test" not in caplog.text
    swapped = rows(out / "openface3.csv")[1]
    assert (swapped["pose_yaw"], swapped["pose_pitch"]) == (seed["pose_pitch"], seed["pose_yaw"])
    assert info(out)["gaze"] == ["pitch", "yaw"]
    yaw, pitch = (out / "per_image" / "face_0.tsv").read_text().splitlines()[1].split("\t")[:2]
    assert f"{float(yaw):.3f}" == swapped["pose_yaw"]
    assert f"{float(pitch):.3f}" == swapped["pose_pitch"]


def test_a_measured_order_that_agrees_is_not_mentioned(run, measured, caplog):
    run("--bundle", measured(["yaw", "pitch"]))
    assert "mirror test" not in caplog.text


def test_asking_for_an_order_that_was_not_measured_is_a_warning(run, measured, caplog):
    run("--bundle", measured([]), "--gaze_order", "measured")
    assert "the export could not tell" in caplog.text
