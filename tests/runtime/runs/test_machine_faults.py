"""What is the machine's fault is no picture's: the run ends, and goes on later to the same files."""

import errno
import os
import resource
import shutil
import subprocess
import threading

import pytest

from of3.runtime import patience
from of3.runtime.patience import patiently
from of3.runtime.runs.root import Root
from of3.runtime.runs.walk import Walk
from of3.runtime.types import InputLost, PictureError, RunError
from of3.runtime.vision.images import read_bytes


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(patience, "WAITS_S", (0.01, 0.01))


def failing(number, times):
    """A step that fails so often, then gives "done"; and how often it was called."""
    calls = []

    def step():
        calls.append(number)
        if len(calls) <= times:
            raise OSError(number, os.strerror(number))
        return "done"

    return step, calls


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_the_machine_lacks_is_waited_for(number, hurried):
    step, calls = failing(number, 2)
    assert patiently(step) == "done"
    step, calls = failing(number, 100)
    with pytest.raises(InputLost, match=os.strerror(number)):
        patiently(step)
    assert len(calls) == 3


def test_other_faults_are_not_waited_for(hurried):
    step, calls = failing(errno.ENOENT, 1)
    with pytest.raises(FileNotFoundError):
        patiently(step)
    assert len(calls) == 1


@pytest.fixture
def few_descriptors(tmp_path):
    """All are taken but for none, until they are given back."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 1, before[1]))
    while True:
        try:
            taken.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            break

    def give_back():
        while taken:
            os.close(taken.pop())

    yield give_back
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
    give_back()


def test_a_file_is_read_when_descriptors_have_come_back(tmp_path, few_descriptors):
    path = tmp_path / "a.jpg"
    threading.Timer(0.3, few_descriptors).start()
    with pytest.raises(PictureError, match="No such file"):
        read_bytes(str(path))


def test_without_descriptors_neither_a_picture_fails_nor_a_folder_is_passed_over(
    tmp_path, few_descriptors, hurried
):
    with pytest.raises(InputLost, match=r"Too many open files \(`ulimit -n` sets the limit\)"):
        read_bytes(str(tmp_path / "a.jpg"))
    with pytest.raises(InputLost, match=rf"{tmp_path}: Too many open files"):
        list(Walk(str(tmp_path), (".jpg",)))


def test_a_root_is_missed_when_it_is_gone_another_or_empty(tmp_path):
    folder = tmp_path / "in"
    with pytest.raises(RunError, match="No such file"):
        Root(str(folder))
    (folder / "sub").mkdir(parents=True)
    root = Root(str(folder))
    root.check()
    (folder / "sub").rmdir()
    with pytest.raises(InputLost, match="nothing is left in it"):
        root.check()
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(InputLost, match="No such file"):
        root.check()
    (folder / "sub").mkdir(parents=True)
    with pytest.raises(InputLost, match="another folder is in its place"):
        root.check()


def rows(out):
    return (out / "openface3.csv").read_text().splitlines()[1:]


@pytest.mark.long
@pytest.mark.parametrize("flags", [[], ["--executor", "local", "--workers", "1", "--shard_size", "64"]])
def test_an_input_folder_that_vanishes_in_mid_run_makes_no_failed_row(
    flags, more, command, standin_root, tmp_path, at_work
):
    """What failed 181 good pictures with exit 0."""
    folder, logs = tmp_path / "in", tmp_path / "logs"
    shutil.copytree(more, folder, copy_function=os.link)
    process = subprocess.Popen(command(folder, standin_root, logs, *flags), stderr=subprocess.PIPE, text=True)
    at_work(logs)
    folder.rename(tmp_path / "away")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert "was it unmounted?" in said
    assert "Traceback" not in said
    if not flags:
        assert 0 < len(rows(logs / "openface3")) < 1500
        assert "--resume on goes on from there" in said
        assert "No such file" not in (logs / "openface3" / "errors.tsv").read_text()
    (tmp_path / "away").rename(folder)
    again = command(folder, standin_root, logs, *(flags or ["--resume", "on"]))
    subprocess.run(again, check=True, capture_output=True, timeout=300)
    done = rows(logs / "openface3")
    assert len(done) == 1500
    assert sum(line.endswith(",0") for line in done) == 150  # those that are no pictures


@pytest.mark.parametrize("limit", [8, 12, 16, 20, 24, 32, 64])
def test_a_low_limit_of_descriptors_fails_no_picture(limit, many, command, standin_root, tmp_path):
    logs = tmp_path / "logs"
    limited = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))  # noqa: E731
    done = subprocess.run(
        command(many, standin_root, logs), preexec_fn=limited, capture_output=True, check=False, timeout=120
    )
    table = logs / "openface3" / "openface3.csv"
    failed = [line for line in rows(table.parent) if line.endswith(",0")] if table.exists() else []
    assert done.returncode in (0, 1, 2)
    errors = table.parent / "errors.tsv"
    assert "Too many" not in (errors.read_text() if errors.exists() else "")
    assert len(failed) <= 30
    if done.returncode == 0:
        assert len(rows(table.parent)) == 300
