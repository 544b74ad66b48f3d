"""`of3 run` through its command line: every flag's effect on the files."""

import csv
import json
import logging
import os
import shlex
import shutil
import sqlite3
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest

from of3.runtime.commands import status
from of3.runtime.commands.cli import main
from of3.runtime.logs.counts import Counts
from of3.runtime.logs.rows import RowOptions
from of3.runtime.options import FLAGS
from of3.runtime.runs import progress
from of3.runtime.runs.messages import summary
from of3.runtime.runs.runinfo import RunInfo, now
from of3.runtime.settings import Settings
from of3.runtime.types import RunBroken

RUNTIME = Path(__file__).resolve().parents[3] / "runtime"


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_row_for_every_picture_in_sorted_order(run, out, aligned):
    assert run() == 0
    found = rows(out / "openface3.csv")
    names = ["broken.jpg", "face_0.png", "face_1.png", "face_2.png", "sub/au_1.png", "sub/face_0.png"]
    assert [row["path"] for row in found] == [str(aligned / name) for name in names]
    assert [row["success"] for row in found] == ["0", "1", "1", "1", "1", "1"]
    assert set(list(found[0].values())[2:-1]) == {""}
    assert (out / "errors.tsv").read_text().splitlines() == [
        "path\tstage\treason",
        f"{aligned / 'broken.jpg'}\tread\tunreadable: not a JPEG, PNG, WebP or BMP",
    ]


def test_per_image_files_of_equal_stems_are_both_there(run, out):
    run()
    found = sorted(str(path.relative_to(out / "per_image")) for path in (out / "per_image").rglob("*.tsv"))
    assert found == ["au_1.tsv", "face_0.tsv", "face_1.tsv", "face_2.tsv", "sub/face_0.tsv"]
    assert (out / "per_image" / "face_1.tsv").read_text() == (out / "per_image/sub/face_0.tsv").read_text()
    assert (out / "per_image" / "face_0.tsv").read_text() != (out / "per_image/sub/face_0.tsv").read_text()


def test_the_row_and_the_per_image_file_agree(run, out):
    run("--extra_csv", "on", "--csv_emotion_topk", "8")
    row = rows(out / "openface3.csv")[1]
    full = rows(out / "openface3_full.csv")[0]
    gaze_yaw, gaze_pitch, aus, logits = (out / "per_image/face_0.tsv").read_text().splitlines()[1].split("\t")
    assert row["pose_yaw"] == f"{float(gaze_yaw):.3f}"
    assert row["pose_pitch"] == f"{float(gaze_pitch):.3f}"
    assert float(row["au12"]) == pytest.approx(float(aus.split(",")[5]), abs=1e-4)
    exponent = np.exp([float(value) for value in logits.split(",")])
    assert float(row["emotion_conf"]) == pytest.approx(exponent.max() / exponent.sum(), abs=2e-4)
    assert full["emotion_topk"].split(",")[0] == f"{row['emotion']}:{row['emotion_conf']}"
    assert len(full["emotion_topk"].split(",")) == 8
    assert full["au12"] == row["au12"]


def test_full_table_has_only_successes(run, out):
    run("--extra_csv", "on")
    assert [row["file"] for row in rows(out / "openface3_full.csv")] == [
        row["file"] for row in rows(out / "openface3.csv") if row["success"] == "1"
    ]
    assert rows(out / "openface3_full.csv")[0]["emotion_topk"] == ""


def test_append_repeats_and_override_starts_anew(run, out):
    run()
    run()
    assert len(rows(out / "openface3.csv")) == 12
    run("--override")
    assert len(rows(out / "openface3.csv")) == 6


def test_a_table_of_another_schema_is_an_error(run, out, caplog):
    out.mkdir(parents=True)
    (out / "openface3.csv").write_text("a,b\n1,2\n")
    assert run() == 2
    assert "--override" in caplog.text
    assert run("--override") == 0


def test_thresholds(run, out):
    run("--th_smile", "-1", "--th_mouth", "-1")
    run("--th_smile", "2", "--th_mouth", "2")
    found = [row for row in rows(out / "openface3.csv") if row["success"] == "1"]
    assert {(row["smile"], row["mouth"], row["teeth"]) for row in found[:5]} == {("smile", "open", "likely")}
    assert {(row["smile"], row["mouth"], row["teeth"]) for row in found[5:]} == {("neutral", "closed", "")}


def test_per_image_off_writes_none(run, out):
    run("--per_image", "off")
    assert not (out / "per_image").exists()


def suffixes(out):
    return {"".join(path.suffixes) for path in (out / "per_image").rglob("*.*")}


def test_landmark_formats(run, out):
    run("--landmarks", "on", "--landmarks_fmt", "both")
    assert suffixes(out) == {".tsv", ".landmarks.json", ".landmarks.pts"}
    points = json.loads((out / "per_image/face_0.landmarks.json").read_text())["points"]
    assert np.array(points).shape == (98, 2)
    lines = (out / "per_image/face_0.landmarks.pts").read_text().splitlines()
    assert lines[:3] == ["version: 1", "n_points: 98", "{"]
    assert lines[3] == f"{points[0][0]:.3f} {points[0][1]:.3f}"


def test_landmarks_leave_the_table_as_it_is(run, out):
    run()
    run("--landmarks", "on")
    found = (out / "openface3.csv").read_text().splitlines()
    assert found[1:7] == found[7:]


def test_landmarks_a_bundle_lacks_are_one_warning(run, out, caplog, permuted_root):
    assert run("--landmarks", "on", root=permuted_root) == 0
    assert caplog.text.count("no landmarks") == 1
    assert suffixes(out) == {".tsv"}


def test_detection_fills_the_confidence(run, out):
    run("--skip_detect", "off")
    found = rows(out / "openface3.csv")
    assert any(row["confidence"] for row in found)
    assert all(bool(row["confidence"]) == (row["success"] == "1") for row in found)


def test_a_run_says_what_runs_with_which_weights_how_it_went_and_where_the_logs_are(run, out, caplog):
    caplog.set_level(logging.INFO, "of3")
    run("--device", "cuda", "--dtype", "fp16")
    engine, weights, summary, logs = caplog.messages
    assert engine.startswith("onnxruntime")
    assert weights.startswith("STAND-IN WEIGHTS")
    assert summary.startswith("done 5, failed 1 (unreadable 1), ") and summary.endswith(" images/s")
    assert logs == f"logs: {out}, what failed and why in errors.tsv"


def test_no_pictures_exit_2(run, aligned, caplog):
    shutil.rmtree(aligned)
    assert run() == 2
    assert "no such folder" in caplog.text
    aligned.mkdir()
    assert run() == 2
    assert "no .jpg" in caplog.text


@pytest.mark.parametrize("has_weights", [False, True])
def test_a_missing_bundle_exits_2_with_the_commands_that_make_it(run, tmp_path, caplog, has_weights):
    root = tmp_path / "of3 root"
    assert run(root=root) == 2
    assert f"--of3_root {root}: no such folder" in caplog.text
    (root / "weights").mkdir(parents=True)
    if has_weights:
        (root / "weights" / "MTL_backbone.pth").touch()
    caplog.clear()
    assert run(root=root) == 2
    fetching = shlex.join(["of3", "fetch-weights", "--of3_root", str(root)])
    assert (f"make it with: {fetching}" in caplog.text) != has_weights
    assert f"with: {shlex.join(['of3', 'export', '--of3_root', str(root)])}" in caplog.text


def test_a_foreign_bundle_exits_2_and_the_command_replaces_it(run, tmp_path, caplog):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "bundle.json").write_text("{}")
    assert run("--weights", "w", "--bundle", str(tmp_path / "b")) == 2
    assert f"--weights w --bundle {tmp_path / 'b'} --force" in caplog.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a read-only folder")
def test_logs_that_cannot_be_written_exit_1(run, tmp_path):
    (tmp_path / "logs").mkdir(mode=0o500)
    assert run() == 1


def test_what_is_no_folder_of_pictures_is_told_from_one_that_is_not_there(run, aligned, caplog):
    shutil.rmtree(aligned)
    os.mkfifo(aligned)
    assert run() == 2
    assert f"--aligned {aligned}: is no folder" in caplog.text


def test_logs_in_the_place_of_a_file_exit_1(run, tmp_path, caplog):
    (tmp_path / "logs").write_text("a file")
    assert run() == 1
    assert "cannot go on" in caplog.text


def test_progress_off_a_terminal_is_a_line_now_and_then(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "of3")
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    with progress.progress_bar(3) as shown:
        shown(Counts(done=2), 1)
    assert "3/3" in caplog.text
    assert "0 failed" in caplog.text


def test_the_rate_of_a_resumed_run_is_that_of_its_own_pictures_on_the_way_and_at_its_end(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "of3")
    moments = iter([0.0, 40.0])
    monkeypatch.setattr("of3.runtime.runs.progress.time.monotonic", lambda: next(moments))
    with progress.progress_bar(1000) as shown:
        shown(Counts(done=100), 700)
    assert "800/1000" in caplog.text and "2.50img/s" in caplog.text
    assert summary(Counts(done=100), 700, 40.0) == "done 100, skipped 700, failed 0, 2.5 images/s"


def test_missing_flags_are_named_and_exit_2(caplog):
    """As every command does; the drop-in script prints its help and exits 0, as the original."""
    assert main(["run", "--logs", "x", "--help", "off"]) == 2
    assert "missing --aligned, --of3_root: see of3 run -h" in caplog.text


def test_the_help_text_goes_beside_the_logs(run, out, capsys):
    run("--help", "off")
    assert not (out / "openface3.txt").exists()
    run("-h")
    assert "--skip_detect on|off" in (out / "openface3.txt").read_text()
    assert "--skip_detect on|off" in capsys.readouterr().out
    assert len(rows(out / "openface3.csv")) == 12


def test_a_temporary_folder_that_cannot_be_written_is_one_error(tmp_path, caplog):
    def step():
        sqlite3.connect(tmp_path / "no" / "such").execute("CREATE TABLE a (b)")

    assert status.status_of(step, "") == 1
    assert "cannot list the pictures in " in caplog.text


def test_commands_are_listed_and_unknown_ones_refused(capsys):
    assert main([]) == 0
    assert "\n  run  " in capsys.readouterr().out
    assert main(["fly"]) == 2
    assert "got command 'fly'" in capsys.readouterr().err


def test_tiny_pictures_are_analysed(run, out, aligned):
    for name, shape in (("one.png", (1, 1)), ("thin.png", (1, 3000)), ("tall.png", (900, 2))):
        cv2.imwrite(str(aligned / name), np.full((*shape, 3), 99, np.uint8))
    run("--landmarks", "on")
    found = {row["file"]: row["success"] for row in rows(out / "openface3.csv")}
    assert (found["one.png"], found["thin.png"], found["tall.png"]) == ("1", "1", "1")


def test_every_option_reaches_the_run():
    """A flag that is parsed and then read nowhere would be a promise not kept."""
    sources = "".join(path.read_text("utf-8") for path in RUNTIME.rglob("*.py"))
    copied = {each.name for record in (Settings, RowOptions) for each in fields(record)}  # by their names
    assert [name for name in FLAGS if f"options.{name}" not in sources and name not in copied] == []


def test_a_run_that_does_not_balance_is_an_error(tmp_path):
    info = RunInfo({}, {"versions": {}, "bundle": {}, "gaze": [], "engines": {}}, 6, now())
    with pytest.raises(RunBroken, match="got 5 results for 6 pictures"):
        info.write(tmp_path, Counts(done=3), skipped=2, elapsed_s=1.0)
    info.write(tmp_path, Counts(done=4), skipped=2, elapsed_s=1.0)


def test_the_current_folder_is_written_as_the_original_writes_it(run, out, aligned, monkeypatch):
    monkeypatch.chdir(aligned)
    for flags in ([], ["--executor", "local", "--workers", "1"]):
        assert run("--aligned", ".", "--override", *flags) == 0
        with (out / "openface3.csv").open(newline="") as file:
            paths = [row["path"] for row in csv.DictReader(file)]
        assert paths == sorted(str(path) for path in Path().rglob("*.[jp][pn]g"))


def test_what_is_not_looked_at_is_told(run, aligned, tmp_path, capsys, caplog):
    caplog.set_level("INFO")
    (aligned / "x.heic").touch()
    (aligned / "linked").symlink_to(tmp_path)
    assert run() == 0
    assert "not looked at: 1 .heic; --suffixes names what is" in caplog.messages
    assert "not searched: 1 linked folder; --follow_links on does" in caplog.messages
