"""`of3 render`: what a fresh run with other flags would have written, without one."""

import json
import shutil
import sqlite3

import pytest

from of3.runtime.commands.cli import main
from of3.runtime.runs.lock import locked

CHANGES = [
    (),
    ("--th_smile", "0.1", "--th_mouth", "0.95"),
    ("--extra_csv", "on", "--csv_emotion_topk", "3"),
    ("--eyes", "on", "--th_eyes", "0.5"),
    ("--landmarks_fmt", "pts"),
    ("--landmarks_fmt", "both", "--per_image", "off"),
    ("--extra_csv", "off", "--landmarks_fmt", "json", "--per_image", "on"),
]
FLAGS = ("--landmarks", "on")


def render(out, *flags):
    return main(["render", str(out.parent), *flags])


def test_it_writes_what_a_fresh_run_with_these_flags_writes(run, out, files, tmp_path):
    assert run(*FLAGS) == 0
    first = tmp_path / "rendered" / "openface3"
    shutil.copytree(out, first)
    said: list[str] = []
    for change in CHANGES:
        said += change
        assert render(first, *change) == 0
        shutil.rmtree(out)
        assert run(*FLAGS, *said) == 0
        assert files(first) == files(out), change
        flags, fresh = (json.loads((folder / "run.json").read_text())["flags"] for folder in (first, out))
        assert flags == fresh


def test_a_run_goes_on_with_what_was_rendered(run, out, files, caplog, aligned):
    assert run() == 0
    assert render(out, "--th_smile", "0.05") == 0
    assert run("--resume", "on") == 2
    assert "flags.th_smile was 0.05, is 0.5" in caplog.text
    shutil.copy(aligned / "face_2.png", aligned / "another.png")
    assert run("--resume", "on", "--th_smile", "0.05") == 0
    found = files(out)
    assert run("--override", "--th_smile", "0.05") == 0
    assert files(out) == found


def test_every_run_of_a_folder_is_rendered_and_rows_of_others_stay(run, out):
    run()
    with (out / "openface3.csv").open("a") as file:
        file.write("mine,x,1,2,,,,,,,,,,,,1\n")
    run()
    before = (out / "openface3.csv").read_text().splitlines()
    assert render(out) == 0
    assert (out / "openface3.csv").read_text().splitlines() == before
    assert render(out, "--th_mouth", "0.0") == 0
    after = (out / "openface3.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in after] == [line.split(",")[0] for line in before]
    assert after[7] == before[7] == "mine,x,1,2,,,,,,,,,,,,1"
    assert after[1:7] == after[8:] != before[8:]
    assert {line.split(",")[5] for line in after[8:]} == {"open", ""}


@pytest.mark.parametrize("name", ["openface3.csv", "errors.tsv", "per_image/face_0.tsv"])
def test_what_is_lost_or_torn_is_written_again(run, out, files, name):
    run()
    want = files(out)
    (out / name).unlink()
    assert render(out) == 0
    assert files(out) == want
    (out / name).write_bytes(want[name][:-3])
    assert render(out) == 0
    assert files(out) == want


def test_a_table_that_somebody_changed_is_not_written_over(run, out, caplog):
    run()
    table = out / "openface3.csv"
    changed = table.read_text().replace("neutral", "NEUTRAL").replace("closed", "CLOSED")
    table.write_text(changed)
    assert render(out) == 2
    assert "not those that were written: move that table away" in caplog.text
    assert table.read_text() == changed


def test_what_it_cannot_do_is_said(run, out, caplog, tmp_path):
    assert render(tmp_path / "none" / "openface3") == 2
    assert "none/openface3: not there, want the log root that --logs of the run was" in caplog.text
    assert not (tmp_path / "none").exists()
    (tmp_path / "openface3").mkdir()
    assert render(tmp_path / "openface3") == 2
    assert "records.sqlite: not there: a run of this version writes it, one of 0.1 did not" in caplog.text
    run()
    with locked(out):
        assert render(out) == 2
    assert "another run writes here" in caplog.text
    with sqlite3.connect(out / "records.sqlite") as database:
        database.execute("UPDATE faces SET au = emotion_logits")
    database.close()
    assert render(out) == 2
    assert "damaged (a face's row)" in caplog.text
    with pytest.raises(SystemExit, match="2"):
        main(["render", str(out.parent), "--gaze_order", "measured"])
