"""`of3 run`: which engine runs, what is said of it, and run.json."""

import csv
import json
import logging

import pytest

from of3.engines import host, plugins

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
    assert found["processes"] == {"at_once": 1, "why": ""}
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


def test_a_picture_that_comes_alone_is_counted_too(run, out, aligned):
    """It has engines of its own, with all cores on one run."""
    for path in (*aligned.rglob("*.png"), aligned / "broken.jpg"):
        if path != aligned / "face_0.png":
            path.unlink()
    assert run("--device", "cpu") == 0
    assert list(info(out)["engines"]["multitask"]["batches"].values()) == [1]


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
