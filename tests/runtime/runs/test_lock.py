import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from of3.runtime.runs.lock import locked
from of3.runtime.types import RunError

HOLD = """
import sys, time
from pathlib import Path
from of3.runtime.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_second_is_refused_at_once_and_told_of_the_first(tmp_path, holder):
    start = time.monotonic()
    with pytest.raises(RunError, match=f"another run writes here, process {holder.pid} on "), locked(tmp_path):
        pass
    assert time.monotonic() - start < 1


def test_a_lock_of_a_dead_process_is_free(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with locked(tmp_path):
        assert str(os.getpid()) in (tmp_path / "run.owner").read_text()
    assert not (tmp_path / "run.owner").exists()


def test_it_can_be_held_again(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "new"):
            pass


@pytest.mark.parametrize("name", ["ENOLCK", "EOPNOTSUPP", "EINVAL"])
def test_a_file_system_without_locks_is_told_and_written_to(run, out, caplog, monkeypatch, name):
    """NFS without its lock service, and some that users mount."""

    def refused(*_):
        raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))

    monkeypatch.setattr(fcntl, "flock", refused)
    assert run() == 0
    assert run("--resume", "on") == 0
    assert "its file system has no locks: see to it that one run at a time writes here" in caplog.text


def test_a_share_whose_folders_cannot_be_synced_is_written_to(run, out, monkeypatch):
    sync = os.fsync

    def refused(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(handle)

    monkeypatch.setattr(os, "fsync", refused)
    assert run() == 0


def test_a_file_that_cannot_be_synced_is_named(run, out, caplog, monkeypatch):
    def refused(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", refused)
    assert run() == 1
    assert f"cannot go on: [Errno 5] Input/output error: '{out}" in caplog.text
