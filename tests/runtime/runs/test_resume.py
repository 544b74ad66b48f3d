"""Runs that end before their time, and what the next one makes of it."""

import csv
import ctypes
import json
import os
import shutil
import signal
import threading
import time
from contextlib import contextmanager

import cv2
import pytest

from of3.engines import machine
from of3.runtime.logs import folder as folders


def rows(out):
    with (out / "openface3.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def whole(run, out, files):
    """What a run that nothing disturbs writes."""
    assert run("--extra_csv", "on") == 0
    found = files(out)
    shutil.rmtree(out)
    return found


@contextmanager
def disturbed(out, number, act):
    """Let `act` happen in the run's own process once `number` rows are written."""

    def watch():
        table = out / "openface3.csv"
        while not ended.is_set():
            if table.exists() and table.read_bytes().count(b"\n") > number:
                act()
                return
            time.sleep(0.001)

    ended, watcher = threading.Event(), threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


@pytest.fixture
def longer(aligned, monkeypatch):
    """More pictures than may be at work at once, and their rows as they come."""
    monkeypatch.setattr(folders, "COMMIT_EVERY_S", 0.0)
    for copy in range(200):
        shutil.copy(aligned / "face_1.png", aligned / f"more_{copy:03d}.png")
    return len(list(aligned.rglob("*.*")))


@pytest.mark.parametrize(
    ("number", "status"), [pytest.param(signal.SIGINT, 130, marks=pytest.mark.long), (signal.SIGTERM, 143)]
)
def test_a_signal_ends_the_run_with_whole_rows_and_resume_completes_it(
    run, out, caplog, longer, number, status, files
):
    assert run("--extra_csv", "on") == 0
    want = files(out)
    shutil.rmtree(out)
    with disturbed(out, 3, lambda: os.kill(os.getpid(), number)):
        assert run("--extra_csv", "on", "--batch", "1") == status
    assert 3 <= len(rows(out)) < longer
    assert not json.loads((out / "run.json").read_text())["finished"]
    assert "--resume on goes on from there" in caplog.text
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert run("--extra_csv", "on", "--resume", "on") == 0
    assert files(out) == want
    counts = json.loads((out / "run.json").read_text())["counts"]
    assert counts["images"] == longer
    assert counts["done"] + counts["skipped"] + sum(counts["failed"].values()) == longer


def test_resuming_a_finished_run_changes_nothing_and_a_new_picture_is_put_in_its_place(
    run, out, aligned, whole, files
):
    assert run("--extra_csv", "on", "--resume", "on") == 0
    assert run("--extra_csv", "on", "--resume", "on") == 0
    assert files(out) == whole
    shutil.copy(aligned / "face_2.png", aligned / "another.png")
    assert run("--extra_csv", "on", "--resume", "on") == 0
    assert [row["file"] for row in rows(out)][:2] == ["another.png", "broken.jpg"]
    assert len(rows(out)) == 7
    assert (out / "per_image" / "another.tsv").exists()


def test_a_picture_that_changed_is_done_again(run, out, aligned):
    run()
    before = {row["file"]: row for row in rows(out)}
    shutil.copy(aligned / "face_2.png", aligned / "face_1.png")
    os.utime(aligned / "face_1.png", (1, 1))
    assert run("--resume", "on") == 0
    after = {row["file"]: row for row in rows(out)}
    assert len(rows(out)) == 6
    assert after["face_1.png"] != before["face_1.png"]
    assert {**after, "face_1.png": None} == {**before, "face_1.png": None}


def test_a_new_picture_takes_no_per_image_file_of_another(run, out, aligned, files):
    run()
    before = files(out)
    (aligned / "a").mkdir()
    shutil.copy(aligned / "sub" / "au_1.png", aligned / "a" / "face_0.png")
    assert run("--resume", "on") == 0
    after = files(out)
    assert after["per_image/a/face_0.tsv"] == before["per_image/au_1.tsv"]
    assert {name: after[name] for name in before if name.endswith("0.tsv")} == {
        name: content for name, content in before.items() if name.endswith("0.tsv")
    }


def test_failed_pictures_are_repeated_when_asked(run, out, aligned):
    run()
    shutil.copy(aligned / "face_1.png", aligned / "later.png")
    good = (aligned / "later.png").read_bytes()
    status = (aligned / "broken.jpg").stat()
    (aligned / "broken.jpg").write_bytes(good[: status.st_size])
    os.utime(aligned / "broken.jpg", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run("--resume", "on") == 0
    assert "not a JPEG, PNG" in (out / "errors.tsv").read_text()
    assert run("--retry_failed", "on") == 0
    assert "truncated: the PNG ends early" in (out / "errors.tsv").read_text()
    assert len((out / "errors.tsv").read_text().splitlines()) == 2
    assert [row["file"] for row in rows(out)][:2] == ["broken.jpg", "face_0.png"]
    assert len(rows(out)) == 7


def spoil(path, stamp):
    """A picture that is none any more.  stamp: its file's times from now on."""
    path.write_bytes(b"none")
    os.utime(path, stamp)


BY_MANY = ("--executor", "local", "--workers", "1")


@pytest.mark.parametrize(
    "again",
    [("--resume", "on"), ("--override",), (), ("--retry_failed", "on"), (*BY_MANY, "--resume", "on")],
)
def test_a_picture_that_has_become_bad_keeps_no_file_of_its_own(run, out, aligned, again):
    flags = ("--landmarks", "on", "--landmarks_fmt", "both")
    assert run(*flags) == 0
    names = sorted(str(path.relative_to(out)) for path in (out / "per_image").rglob("*.*"))
    spoil(aligned / "face_0.png", (2, 2))
    spoil(aligned / "sub" / "face_0.png", (2, 2))
    assert run(*flags, *again) == 0
    left = sorted(str(path.relative_to(out)) for path in (out / "per_image").rglob("*.*"))
    assert left == [name for name in names if "face_0." not in name]
    last = {row["path"]: row["success"] for row in rows(out)}
    assert [path for path, success in last.items() if success == "0"] == [
        str(aligned / name) for name in ("broken.jpg", "face_0.png", "sub/face_0.png")
    ]


@pytest.mark.parametrize("how", [(), BY_MANY])
def test_a_run_that_starts_anew_keeps_no_files_that_it_does_not_write(run, out, how):
    """And one that does not keeps them: its rows come after the others'."""
    assert run("--landmarks", "on") == 0
    (out / "per_image" / "face_9.landmarks.json").write_text("mine")
    assert run() == 0
    assert (out / "per_image" / "face_0.landmarks.json").exists()
    assert run(*how, "--override") == 0
    assert (out / "per_image" / "face_0.tsv").exists()
    assert [path.name for path in (out / "per_image").rglob("*.json")] == ["face_9.landmarks.json"]


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--th_smile", "0.4"], "flags.th_smile was 0.5, is 0.4"),
        (["--extra_csv", "on"], "flags.extra_csv was False, is True"),
    ],
)
def test_other_flags_are_refused_by_name_unless_overridden(run, out, caplog, flags, named, files):
    run()
    before = files(out)
    assert run("--resume", "on", *flags) == 2
    assert named in caplog.text
    assert files(out) == before
    assert run("--resume", "on", "--override", *flags) == 0
    assert len(rows(out)) == 6


def test_another_opencv_is_refused_by_name(run, out, caplog, monkeypatch):
    run()
    monkeypatch.setattr(machine, "opencv_version", lambda: "4.12.0")
    assert run("--resume", "on") == 2
    assert f"opencv was {cv2.__version__}, is 4.12.0" in caplog.text


def test_another_bundle_is_refused(run, out, caplog, bundle_copy):
    run()
    manifest = bundle_copy / "bundle.json"
    manifest.write_text(manifest.read_text() + " ")
    assert run("--resume", "on", "--bundle", str(bundle_copy)) == 2
    assert "bundle was " in caplog.text


def test_rows_without_records_are_not_gone_on_with(run, out, caplog):
    run()
    (out / "records.sqlite").unlink()
    assert run("--resume", "on") == 2
    assert "has rows but no records.sqlite" in caplog.text
    assert run() == 0
    assert len(rows(out)) == 12
    assert run("--resume", "on") == 0  # of the second run
    assert len(rows(out)) == 12


def test_threads_and_batches_may_change(run, out):
    run("--batch", "1", "--workers", "1")
    assert run("--resume", "on", "--batch", "3", "--workers", "2") == 0
    assert len(rows(out)) == 6


def test_logs_removed_in_mid_run_are_one_error_and_not_made_again(run, out, caplog, longer):
    with disturbed(out, 2, lambda: shutil.rmtree(out.rename(out.with_name("gone")))):
        assert run("--batch", "1", "--help", "off") == 1
    assert "cannot go on" in caplog.text
    assert not out.exists()


@pytest.mark.parametrize(
    "name",
    [
        "openface3.csv",
        *(
            pytest.param(each, marks=pytest.mark.long)
            for each in ("run.lock", "errors.tsv", "records.sqlite-journal")
        ),
    ],
)
def test_a_file_removed_in_mid_run_is_one_error_and_the_run_can_be_completed(
    run, out, caplog, longer, files, name
):
    """Also the lock, whose absence lets a second run in, and the records' journal."""
    assert run() == 0
    want = files(out)
    shutil.rmtree(out)
    with disturbed(out, 3, (out / name).unlink):
        assert run("--batch", "1") == 1
    assert f"cannot go on: [Errno 2] No such file or directory: '{out / name}'" in caplog.text
    assert "--resume on goes on from there" in caplog.text
    assert not json.loads((out / "run.json").read_text())["finished"]
    assert run("--resume", "on") == 0
    assert files(out) == want


def test_a_table_cut_in_mid_run_is_one_error_and_the_run_can_be_completed(run, out, caplog, longer, files):
    assert run() == 0
    want = files(out)
    shutil.rmtree(out)
    with disturbed(out, 3, lambda: os.truncate(out / "openface3.csv", 200)):
        assert run("--batch", "1") == 1
    # Not always 200: a row may come after the cut before anybody looks.
    assert "openface3.csv was changed while this run wrote to it: got " in caplog.text
    assert run("--resume", "on") == 0
    assert files(out) == want


@pytest.mark.long
def test_threads_that_die_end_the_run_loudly(run, out, caplog, longer):
    def kill_all():
        for thread in threading.enumerate():
            works = thread.name.startswith("of3") and thread.name != "of3-signals"
            if works and thread.ident is not None:
                exit_ = ctypes.py_object(SystemExit)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), exit_)

    with disturbed(out, 2, kill_all):
        assert run("--batch", "1") == 1
    assert "worker thread" in caplog.text
    assert run("--resume", "on") == 0
    assert len(rows(out)) == longer
