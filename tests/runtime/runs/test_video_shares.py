"""Videos done by many, each whole by one of them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from of3.runtime.commands.video import main
from of3.runtime.runs.lock import locked

PATIENCE_S = 240


@pytest.fixture
def video(standin_root):
    """Run `of3 video` with a log root and flags; gives the exit status."""

    def run(logs, *words):
        return main([*map(str, words), "--logs", str(logs), "--of3_root", str(standin_root), "--device", "cpu"])

    return run


@pytest.fixture
def command(standin_root):
    """The same as a command line."""

    def made(logs, *words):
        start = "import sys; from of3.runtime.commands.video import main; sys.exit(main(sys.argv[1:]))"
        places = ["--logs", str(logs), "--of3_root", str(standin_root), "--device", "cpu"]
        return [sys.executable, "-c", start, *map(str, words), *places]

    return made


def call(words, environment=None):
    return subprocess.run(
        words, check=False, capture_output=True, text=True, timeout=PATIENCE_S, env=environment
    )


def noise(number):
    grains = np.random.default_rng(number // 4).integers(0, 256, (144, 192, 3), np.uint8)
    smooth = cv2.GaussianBlur(grains, (0, 0), 1.5).astype(np.float32)
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


@pytest.fixture
def three(write, tmp_path):
    """A folder of three videos, of which one cannot be read."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "c"):
        write(folder / f"{name}.mp4", 3, pixels=noise)
    (folder / "b.mp4").write_text("no video")
    return folder


@pytest.fixture
def long_ones(write, tmp_path):
    folder = tmp_path / "long"
    folder.mkdir()
    for name in ("a", "b"):
        write(folder / f"{name}.mp4", 60, pixels=noise)
    return folder


def tables(logs):
    return {path.name: path.read_bytes() for path in (logs / "openface3" / "video").glob("*.csv")}


def errors(logs):
    return (logs / "openface3" / "errors.tsv").read_text().splitlines()[1:]


def children(pid):
    """Processes that a process has started and that are alive."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def workers(pid):
    """Those of them that Python has started to work for it."""
    started = (Path(f"/proc/{child}/cmdline") for child in children(pid))
    return [line for line in started if b"spawn_main" in line.read_bytes()]


def analysing(logs):
    return any(path.stat().st_size > 4000 for path in (logs / "openface3" / "video").glob("*.csv"))


def test_shares_do_every_video_once(three, video, tmp_path):
    assert video(tmp_path, three, "--shard", "0/2") == 0
    assert sorted(tables(tmp_path)) == ["a.csv", "c.csv"]
    assert errors(tmp_path) == []
    assert video(tmp_path, three, "--shard", "1/2") == 0
    assert len(errors(tmp_path)) == 1


def test_a_share_is_done_by_workers_where_that_is_asked_for(three, video, command, tmp_path):
    assert video(tmp_path, three) == 0
    logs = tmp_path / "shared"
    words = command(logs, three, "--shard", "0/2", "--executor", "local", "--workers", "2")
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        while len(workers(process.pid)) < 2:
            assert process.poll() is None
            time.sleep(0.01)
        said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0, said
    assert tables(logs) == tables(tmp_path)
    assert errors(logs) == []
    assert video(logs, three, "--shard", "1/2") == 0
    assert len(errors(logs)) == 1


def test_a_share_waits_for_nobody_but_who_does_all(three, video, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("of3.runtime.runs.video_shares.WAIT_FOR_S", 0.2)
    folder = tmp_path / "openface3"
    with locked(folder):
        assert video(tmp_path, three, "--shard", "0/2") == 2
    assert "another run writes here" in caplog.text
    with locked(folder / "video" / "share_1_of_2"):
        assert video(tmp_path, three, "--shard", "0/2") == 0
        assert video(tmp_path, three, "--override") == 2
        assert video(tmp_path, three, "--shard", "1/2") == 2
    assert video(tmp_path, three, "--shard", "1/2") == 0


@pytest.mark.parametrize("executor", ["local", pytest.param("ray", marks=pytest.mark.long)])
def test_workers_write_what_one_process_does(three, video, command, tmp_path, executor, request):
    if executor == "ray":
        pytest.importorskip("ray", reason="Ray is an extra: pip install 'of3[ray]'")
        request.getfixturevalue("ray_alone")
    assert video(tmp_path, three) == 0
    shared = call(command(tmp_path / "shared", three, "--executor", executor, "--workers", "2"))
    assert shared.returncode == 0, shared.stderr
    assert tables(tmp_path / "shared") == tables(tmp_path)
    assert len(errors(tmp_path / "shared")) == 1
    assert shared.stderr.count("STAND-IN WEIGHTS") == 1
    assert shared.stderr.count("3 frames, ") == 2
    assert "Traceback" not in shared.stderr
    assert "leaked" not in shared.stderr


@pytest.mark.long
def test_a_worker_that_is_lost_costs_no_frame(long_ones, video, command, tmp_path):
    assert video(tmp_path, long_ones) == 0
    logs = tmp_path / "shared"
    words = command(logs, long_ones, "--executor", "local", "--workers", "2")
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        while not analysing(logs):
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(max(children(process.pid)), signal.SIGKILL)
        said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0, said
    assert "its worker was lost (its process was ended by SIGKILL" in said
    assert tables(logs) == tables(tmp_path)


@pytest.mark.long
def test_workers_end_when_they_are_asked_to_and_go_on(long_ones, video, command, tmp_path):
    assert video(tmp_path, long_ones) == 0
    logs = tmp_path / "shared"
    flags = ("--executor", "local", "--workers", "2")
    with subprocess.Popen(command(logs, long_ones, *flags), stderr=subprocess.PIPE, text=True) as process:
        while not analysing(logs):
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
        said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 143, said
    assert tables(logs) != tables(tmp_path)
    done = call(command(logs, long_ones, *flags, "--resume", "on"))
    assert done.returncode == 0, done.stderr
    assert tables(logs) == tables(tmp_path)
