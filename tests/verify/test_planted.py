"""Roots in which one thing each is wrong: found, named, and nothing else is."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

from of3.verify.cli import main

HAPPY, DISGUST = 1, 5
CPU_FP32 = "engine: multitask on cpu fp32"
PYTORCH = "against PyTorch: multitask"


def verified(root):
    """Exit status, and the findings by name."""
    status = main(root.arguments())
    document = json.loads((root.weights / "of3_verify/verify.json").read_text())
    found = {f"{each['check']}: {each['item']}": each for each in document["findings"]}
    assert [name for name, each in found.items() if each["verdict"] == "does not hold"] == document["wrong"]
    return status, document["wrong"], found


def exchanged(name, first, second):
    """Let two rows of a layer change places."""

    def change(found, value):
        if not found.startswith(name):
            return None
        order = np.arange(len(value))
        order[[first, second]] = second, first
        return value[order]

    return change


def scaled(name, factor):
    return lambda found, value: value * np.float32(factor) if found == name else None


def test_nothing_is_wrong_with_a_root_that_is_well(responsive, capsys):
    status, wrong, found = verified(responsive)
    assert (status, wrong) == (0, [])
    for name in (PYTORCH, CPU_FP32, "labels: order of outputs", "action units: order of outputs"):
        assert found[name]["verdict"] == "holds"
    assert found["gaze: which output is yaw"]["verdict"] == "holds"
    assert "0 do not hold" in capsys.readouterr().out.splitlines()[-1]


def test_stand_ins_are_told_from_weights_that_are_wrong(standin):
    status, wrong, found = verified(standin)
    assert (status, wrong) == (0, [])
    for name in ("emotions: labels on faces that smile", "landmarks: on faces and their mirror images"):
        assert found[name]["verdict"] == "cannot tell"
        assert "stand-in" in found[name]["said"]
    assert "stand-in" in found["weights: MTL_backbone.pth"]["said"]


@pytest.mark.long
def test_permuted_action_units_are_found(permuted):
    status, wrong, found = verified(permuted)
    assert (status, wrong) == (1, ["action units: order of outputs"])
    (finding,) = (found[name] for name in wrong)
    assert "output 0 answers to AU26" in finding["said"]
    assert "--no_calib" in finding["remedy"]
    (shown,) = finding["exhibits"]
    assert shown["taken"] == [2, 4, 1, 6, 5, 3, 7, 0]
    assert all(row[own] == max(row) for row, own in zip(shown["values"], shown["taken"], strict=True))


@pytest.mark.long
def test_swapped_gaze_is_found(responsive):
    responsive.everywhere(exchanged("gaze_regressor", 0, 1))
    status, wrong, found = verified(responsive)
    assert (status, wrong) == (1, ["gaze: which output is yaw"])
    (finding,) = (found[name] for name in wrong)
    assert "pitch_yaw" in finding["said"]
    assert "--gaze_order measured" in finding["remedy"]


@pytest.mark.long
def test_swapped_emotions_of_the_weights_are_found_on_faces_that_smile(responsive, shared_root):
    _, _, well = verified(responsive)
    assert well["emotions: labels on faces that smile"]["verdict"] == "holds"
    responsive.everywhere(exchanged("emotion_classifier", HAPPY, DISGUST))
    status, wrong, found = verified(responsive)
    assert (status, wrong) == (1, ["emotions: labels on faces that smile"])
    assert found[wrong[0]]["said"].startswith("swapped: disgust stands where happy belongs")


@pytest.mark.long
def test_swapped_emotions_of_the_graph_are_found_against_pytorch(responsive):
    responsive.graph("multitask", exchanged("emotion_classifier", HAPPY, DISGUST))
    responsive.stored("multitask")
    status, wrong, found = verified(responsive)
    assert status == 1
    assert set(wrong) - {"emotions: labels on faces that smile"} == {PYTORCH}
    assert "in the place of Happy stands Disgust, Disgust stands Happy" in found[PYTORCH]["said"]


@pytest.mark.long
def test_swapped_labels_are_found(responsive):
    def change(document):
        labels = document["labels"]["emotions"]
        labels[HAPPY], labels[DISGUST] = labels[DISGUST], labels[HAPPY]

    responsive.manifest(change)
    status, wrong, found = verified(responsive)
    assert status == 1
    assert set(wrong) - {"emotions: labels on faces that smile"} == {"labels: order of outputs"}
    assert "emotions 1: got disgust, want happy" in found["labels: order of outputs"]["said"]


@pytest.mark.long
def test_a_corrupted_layer_of_the_landmarks_is_found(standin):
    layer = "features.3.0.conv1.conv.weight_bias"

    def change(name, value):
        return value + np.float32(0.1) if name == layer else None

    standin.graph("landmarks", change)
    status, wrong, found = verified(standin)
    assert (status, wrong) == (1, ["against PyTorch: landmarks", "engine: landmarks on cpu fp32"])
    assert "landmarks largest difference" in found[wrong[0]]["said"]


@pytest.mark.long
def test_landmarks_that_lie_on_no_face_are_found(faceless):
    status, wrong, found = verified(faceless)
    assert status == 1
    assert "landmarks: on faces and their mirror images" in wrong
    (drawn,) = found["landmarks: on faces and their mirror images"]["exhibits"]
    assert [each["name"] for each in drawn] == ["face_0.png", "face_1.png", "face_2.png"]


def test_a_graph_that_drifts_from_what_was_exported_is_found(responsive):
    responsive.graph("multitask", scaled("emotion_classifier.weight", 1.05))
    status, wrong, found = verified(responsive)
    assert (status, wrong) == (1, [PYTORCH, CPU_FP32])
    assert "drifts: emotion_logits from the export's" in found[CPU_FP32]["said"]


FILES = "bundle: files"
OF_FACES = (
    "action units: order of outputs",
    "gaze: which output is yaw",
    "emotions: labels on faces that smile",
)


def test_a_graph_that_is_gone_leaves_all_else_told(responsive):
    page = responsive.weights / "of3_verify/verify.html"
    page.parent.mkdir()
    page.write_text("an older one")
    (responsive.bundle / "multitask.fp32.onnx").unlink()
    status, wrong, found = verified(responsive)
    assert (status, wrong) == (1, [FILES, CPU_FP32])
    assert "multitask.fp32.onnx: No such file" in found[CPU_FP32]["said"]
    assert {found[name]["verdict"] for name in (PYTORCH, *OF_FACES)} == {"cannot tell"}
    assert found["engine: detector on cpu fp32"]["verdict"] == "holds"
    assert f"Does not hold: {FILES}; {CPU_FP32}." in page.read_text()


@pytest.mark.long
def test_a_self_check_that_is_short_leaves_all_else_told(responsive):
    responsive.damage("multitask.check.npz", 1000)
    status, wrong, found = verified(responsive)
    assert (status, wrong) == (1, [FILES, CPU_FP32])
    assert "multitask.check.npz: got 1000 bytes" in found[CPU_FP32]["said"]
    assert found[PYTORCH]["verdict"] == "holds"


@pytest.mark.long
def test_faces_without_a_detector_leave_landmarks_open(standin):
    (standin.bundle / "detector.fp32.onnx").unlink()
    status, wrong, found = verified(standin)
    assert (status, wrong) == (1, [FILES, "engine: detector on cpu fp32"])
    assert found["engine: landmarks on cpu fp32"]["verdict"] == "holds"
    assert "detector.fp32.onnx" in found["head pose: of mirrored pairs"]["said"]


def test_a_file_that_nothing_here_opens_is_found(responsive):
    responsive.damage("multitask.bf16.onnx", 1)
    status, wrong, found = verified(responsive)
    assert (status, wrong) == (1, [FILES])
    assert "multitask.bf16.onnx" in found[FILES]["said"]


@pytest.mark.long
def test_numbers_that_are_none_are_found(responsive):
    responsive.graph("multitask", scaled("gaze_regressor.bias", math.nan))
    status, wrong, found = verified(responsive)
    assert (status, wrong) == (1, [PYTORCH, CPU_FP32, "gaze: which output is yaw"])
    assert found[wrong[2]]["said"] == "the network's gaze_rad is not finite or beyond 10000"


@pytest.mark.long
def test_weights_that_are_not_those_of_the_bundle_are_found(responsive, permuted_root):
    other = permuted_root / "weights/MTL_backbone.pth"
    (responsive.weights / "MTL_backbone.pth").unlink()
    (responsive.weights / "MTL_backbone.pth").write_bytes(other.read_bytes())
    status, wrong, found = verified(responsive)
    assert (status, wrong) == (1, ["weights: MTL_backbone.pth", PYTORCH])
    assert "of3 export --force" in found[wrong[0]]["remedy"]


@pytest.mark.long
def test_weights_that_are_gone_leave_it_open(responsive):
    (responsive.weights / "MTL_backbone.pth").unlink()
    status, wrong, found = verified(responsive)
    assert (status, wrong) == (0, [])
    assert found["weights: MTL_backbone.pth"]["verdict"] == "cannot tell"
    assert found[PYTORCH]["verdict"] == "cannot tell"


@pytest.mark.long
def test_more_faces_are_taken_from_a_folder(responsive, standin_root, tmp_path):
    more = tmp_path / "more"
    more.mkdir()
    (more / "smile.png").write_bytes((standin_root / "images/face_0.png").read_bytes())
    (more / "text.png").write_text("no picture")
    responsive.arguments = lambda: ["--of3_root", str(responsive.folder), "--faces", str(more)]
    _, _, found = verified(responsive)
    (shown,) = found["emotions: labels on faces that smile"]["exhibits"]
    assert "smile.png" in [row[0] for row in shown["rows"]]


def test_names_that_are_not_utf8_are_legible_everywhere(responsive, capsys):
    """Of the root, a picture, and a file that is gone, whose path an error tells."""
    folder = responsive.folder.rename(responsive.folder.with_name(os.fsdecode(b"root\xff")))
    (folder / "images/face_0.png").rename(folder / "images" / os.fsdecode(b"a\xfe.png"))
    (folder / "weights/of3_bundle/multitask.check.npz").unlink()
    responsive.folder, responsive.weights = folder, folder / "weights"
    status, wrong, found = verified(responsive)
    assert (status, wrong) == (1, [FILES, CPU_FP32])
    page = (responsive.weights / "of3_verify/verify.html").read_text()
    for text in (page, json.dumps(found), capsys.readouterr().out):
        assert "\\udc" not in text
        text.encode()
    assert r"root\xff/weights/of3_bundle, sha256" in page
    assert r"root\xff/weights/of3_bundle/multitask.check.npz: No such file" in found[CPU_FP32]["said"]
    (listing,) = found["emotions: labels on faces that smile"]["exhibits"]
    assert r"a\xfe.png" in [row[0] for row in listing["rows"]]


def test_no_bundle_and_no_folder_of_faces_end_with_2(tmp_path):
    assert main(["--of3_root", str(tmp_path)]) == 2
    with pytest.raises(SystemExit, match="2"):
        main(["--of3_root", str(tmp_path), "--faces", str(tmp_path / "none")])


WITHOUT = """
import sys
for name in {names}:
    sys.modules[name] = None
from of3.verify.cli import main
sys.exit(main({arguments}))
"""


def without(names, root):
    code = WITHOUT.format(names=names, arguments=root.arguments())
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.long
def test_without_pytorch_all_else_is_told(responsive):
    done = without(["torch", "onnx", "onnxscript"], responsive)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if " against PyTorch: " in line]
    assert len(told) == 1
    assert told[0].startswith("cannot tell")
    assert "pip install 'of3[export]'" in told[0]
    assert "holds          gaze: which output is yaw" in done.stdout


def test_without_what_makes_pages_the_verdicts_are_told(responsive):
    done = without(["torch", "jinja2"], responsive)
    assert done.returncode == 0, done.stderr
    assert "no page: jinja2: not installed: pip install 'of3[report]'" in done.stdout
    assert (responsive.weights / "of3_verify/verify.json").exists()
    assert not (responsive.weights / "of3_verify/verify.html").exists()
