"""Runs in processes of their own that are killed, or that the machine fails."""

import csv
import resource
import shutil
import subprocess
import time

import pytest


def rows(out):
    with (out / "openface3.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_killed_at_its_work_nothing_is_lost_repeated_or_torn(
    more, standin_root, tmp_path, undisturbed_more, command, killed_and_run_again
):
    """Every other moment: test_crash_points.py."""
    resuming = command(more, standin_root, tmp_path, "--resume", "on")
    killed_and_run_again(resuming, tmp_path / "openface3", undisturbed_more)


def test_a_full_disk_is_one_error_and_the_run_can_be_completed(
    more, standin_root, tmp_path, undisturbed_more, files, command
):
    """A limit on the size of each file is what a full disk looks like to the one that grows."""
    limited = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (520_000, 520_000))  # noqa: E731
    full = command(more, standin_root, tmp_path)
    done = subprocess.run(full, preexec_fn=limited, capture_output=True, text=True, check=False)
    out = tmp_path / "openface3"
    assert done.returncode == 1
    assert done.stderr.count(f"cannot go on: {out / 'records.sqlite'}: disk I/O error") == 1
    assert "Traceback" not in done.stderr
    assert (out / "openface3.csv").read_bytes().endswith(b"\n")
    assert 10 < len(rows(out)) < 1500
    resuming = command(more, standin_root, tmp_path, "--resume", "on")
    subprocess.run(resuming, check=True, capture_output=True)
    assert files(out) == undisturbed_more


def test_logs_that_cannot_be_written_are_one_error(more, standin_root, tmp_path, command):
    """On a file system that is mounted to be read only, in a process that sees it so alone."""
    (tmp_path / "openface3").mkdir()
    mounted = f"mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path}"
    inside = ["unshare", "--mount", "sh", "-c", f'{mounted} && exec "$@"', "sh"]
    if shutil.which("unshare") is None or subprocess.run([*inside, "true"], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    done = subprocess.run(
        [*inside, *command(more, standin_root, tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("cannot go on: [Errno 30] Read-only file system") == 1
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "openface3").iterdir()) == []


def test_the_second_run_on_a_folder_exits_2_at_once(many, standin_root, tmp_path, command):
    first = subprocess.Popen(command(many, standin_root, tmp_path), stderr=subprocess.DEVNULL)
    while not (tmp_path / "openface3" / "run.owner").exists():
        time.sleep(0.01)
    second = command(many, standin_root, tmp_path)
    done = subprocess.run(second, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"another run writes here, process {first.pid} on " in done.stderr
    assert first.wait() == 0
