import json
import os
import signal
import subprocess
import sys
import time

import pytest

from of3.export.cli import main
from of3.export.workplace import PlaceTaken, check_destination, write_folder


def fill(folder, text="new"):
    (folder / "bundle.json").write_text(text)


def fail(folder):
    (folder / "bundle.json").write_text("half")
    raise KeyboardInterrupt


def test_a_bundle_appears_whole(tmp_path):
    write_folder(tmp_path / "deep" / "b", fill)
    assert os.listdir(tmp_path / "deep") == ["b"]
    assert os.listdir(tmp_path / "deep" / "b") == ["bundle.json"]


def test_failing_half_way_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "b", fail)
    assert os.listdir(tmp_path) == []


def test_an_existing_bundle_is_replaced_only_by_a_complete_one(tmp_path):
    write_folder(tmp_path / "b", lambda folder: fill(folder, "old"))
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "b", fail)
    assert (tmp_path / "b" / "bundle.json").read_text() == "old"
    write_folder(tmp_path / "b", fill)
    assert (tmp_path / "b" / "bundle.json").read_text() == "new"
    assert os.listdir(tmp_path) == ["b"]


def test_a_taken_destination_is_refused(tmp_path):
    check_destination(tmp_path / "none", is_forced=False)
    write_folder(tmp_path / "b", fill)
    with pytest.raises(PlaceTaken, match="pass --force"):
        check_destination(tmp_path / "b", is_forced=False)
    check_destination(tmp_path / "b", is_forced=True)


def test_a_folder_of_other_things_is_never_replaced(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(PlaceTaken, match="not a bundle"):
        check_destination(tmp_path, is_forced=True)


def test_the_manifest_tells_where_it_came_from(bundle_folder):
    document = json.loads((bundle_folder / "bundle.json").read_text())
    assert document["stand_in"] is True
    assert {source["status"] for source in document["weights"]} == {"stand-in"}
    assert set(document["made_with"]) == {"of3", "torch", "onnx", "onnxscript", "onnxruntime", "numpy"}
    for model in document["models"].values():
        for row in model["verification"]["fp32"]:
            assert row["from_pytorch"] <= row["bound"]
            assert row["batch_1_from_8"] <= row["bound"]
            assert row["pictures"] >= 8


def test_an_existing_bundle_is_not_touched_without_force(standin_root, capsys, caplog):
    before = {path: path.stat().st_mtime_ns for path in (standin_root / "weights" / "of3_bundle").iterdir()}
    assert main(["--of3_root", str(standin_root)]) == 2
    assert "pass --force" in caplog.text
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_bad_weights_are_one_error_exit_2_and_nothing_written(tmp_path, caplog):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "MTL_backbone.pth").write_text("<html>404</html>")
    assert main(["--of3_root", str(tmp_path), "--landmark_model", "68"]) == 2
    assert "Alignment_RetinaFace.pth: No such file" in caplog.text
    assert "MTL_backbone.pth: an HTML page" in caplog.text
    assert "Landmark_68.pkl: No such file" in caplog.text
    assert os.listdir(tmp_path / "weights") == ["MTL_backbone.pth"]


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_an_interrupted_export_leaves_no_folder(permuted_root, tmp_path, number):
    command = [
        sys.executable,
        "-c",
        "import sys; from of3.export.cli import main; sys.exit(main(sys.argv[1:]))",
    ]
    command += ["--of3_root", str(permuted_root), "--bundle", str(tmp_path / "b")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list(tmp_path.iterdir()), "the export never began to write"
        time.sleep(1)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else 143)
    assert list(tmp_path.iterdir()) == []
