"""`of3 run --faces` and `--eyes`: every face of every picture, on stand-ins, which find several in most."""

import csv
import json
import shutil
from collections import Counter

import pytest

from of3.runtime.commands.cli import main

NAME = "openface3_faces.csv"


def rows(out, name=NAME):
    with (out / name).open(newline="") as file:
        return list(csv.DictReader(file))


def without(files, *names):
    return {name: content for name, content in files.items() if name not in names}


@pytest.mark.parametrize("rule", ["score", "larger"])
def test_the_files_of_one_face_a_picture_are_the_same_besides(run, out, files, rule):
    flags = ["--skip_detect", "off", "--extra_csv", "on", "--landmarks", "on", "--best_face", rule]
    assert run(*flags) == 0
    want = files(out)
    assert NAME not in want
    for faces in ("all", "2"):
        assert run(*flags, "--faces", faces, "--detector_resize", "1.0", "--override") == 0
        assert without(files(out), NAME) == want


def test_every_face_has_its_row(run, out):
    assert run("--faces", "all", "--landmarks", "on", "--extra_csv", "on") == 0
    faces, one = rows(out), {row["path"]: row for row in rows(out, "openface3.csv")}
    boxes = {row["path"]: row for row in rows(out, "openface3_boxes.csv")}
    count = Counter(row["path"] for row in faces)
    assert list(count) == list(one)
    assert max(count.values()) > 4
    for path, row in one.items():
        there = [face for face in faces if face["path"] == path]
        if row["success"] == "0":
            assert [(face["success"], face["face_id"], face["blink"]) for face in there] == [("0", "", "")]
            continue
        assert [face["face_id"] for face in there] == [
            str(number) for number in range(int(boxes[path]["faces"]))
        ]
        assert [float(face["confidence"]) for face in there] == sorted(
            (float(face["confidence"]) for face in there), reverse=True
        )
        taken = there[int(boxes[path]["face"])]
        for name, same in (("box_x", "x"), ("box_y", "y"), ("box_w", "w"), ("box_h", "h")):
            assert taken[name] == boxes[path][same]
        for name, same in (("emotion", "emotion"), ("AU12", "au12"), ("confidence", "confidence")):
            assert taken[name] == row[same]
        assert taken["eye_open_left"] and taken["x_97"] and taken["y_97"] and not taken["blink"]
    flags = json.loads((out / "run.json").read_text())["flags"]
    assert (flags["faces"], flags["detector_resize"], flags["skip_detect"]) == ("all", "auto", False)


def test_without_landmarks_there_is_no_column_of_them_and_no_pose(run, out):
    assert run("--faces", "1") == 0
    found = rows(out)
    assert set(Counter(row["path"] for row in found).values()) == {1}
    assert list(found[0])[-1] == "blink"
    assert {row["pose_Rx"] + row["eye_open_left"] for row in found} == {""}


def test_a_picture_that_is_taken_for_a_face_has_a_row_without_a_box(run, out):
    assert run("--faces", "all", "--skip_detect", "on") == 0
    found = rows(out)
    assert Counter((row["success"], row["box_x"], row["face_id"]) for row in found) == {
        ("1", "", "0"): 5,
        ("0", "", ""): 1,
    }


FLAGS = ("--faces", "all", "--landmarks", "on", "--eyes", "on", "--extra_csv", "on")


@pytest.fixture
def want(run, out, files, tmp_path):
    """What one undisturbed run writes, and its logs in `whole`."""
    assert run(*FLAGS) == 0
    shutil.copytree(out, tmp_path / "whole" / "openface3")
    found = files(out)
    shutil.rmtree(out)
    return found


def test_the_table_is_rendered_anew_from_the_records(want, files, tmp_path):
    folder = tmp_path / "whole" / "openface3"
    for name in (NAME, "openface3.csv"):
        (folder / name).unlink()
    assert main(["render", str(tmp_path / "whole")]) == 0
    assert files(folder) == want


def test_a_table_that_was_cut_is_completed_and_a_run_goes_on(want, run, out, files, aligned, tmp_path):
    shutil.copytree(tmp_path / "whole" / "openface3", out)
    content = (out / NAME).read_bytes()
    (out / NAME).write_bytes(content[: len(content) // 2])
    shutil.copy(aligned / "face_2.png", aligned / "another.png")
    assert run(*FLAGS, "--resume", "on") == 0
    found = files(out)
    assert run(*FLAGS, "--override") == 0
    assert files(out) == found
    assert len(found[NAME]) > len(content)


def test_a_run_of_another_choice_of_faces_is_not_gone_on_with(run, caplog):
    assert run("--skip_detect", "off") == 0
    assert run("--skip_detect", "off", "--faces", "all", "--detector_resize", "1.0", "--resume", "on") == 2
    assert "flags.faces was best, is all" in caplog.text


def test_many_processes_and_shares_write_the_same(want, run, out, files):
    assert run(*FLAGS, "--executor", "local", "--workers", "2", "--shard_size", "2") == 0
    assert files(out) == want
    shutil.rmtree(out)
    for share in ("0/2", "1/2"):
        assert run(*FLAGS, "--shard", share) == 0
    assert main(["merge", "--logs", str(out.parent)]) == 0
    assert files(out) == want


def test_eyes_are_open_or_closed_where_landmarks_run(run, out):
    assert run("--landmarks", "on") == 0
    assert {row["eyes"] + row["au45"] for row in rows(out, "openface3.csv")} == {""}
    assert run("--eyes", "on", "--override") == 0
    assert {row["eyes"] + row["au45"] for row in rows(out, "openface3.csv")} == {""}
    seen = set()
    for threshold in ("0", "0.3", "9"):
        assert run("--landmarks", "on", "--eyes", "on", "--th_eyes", threshold, "--override") == 0
        done = [row for row in rows(out, "openface3.csv") if row["success"] == "1"]
        assert all(0 <= float(row["au45"]) <= 1 for row in done)
        seen.add(tuple(sorted({row["eyes"] for row in done})))
    assert {("open",), ("closed",)} <= seen
