"""`--overlay on`: what `of3 draw` draws, while the run goes on."""

import os
import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from of3.runtime.commands.draw import main as draw
from of3.runtime.commands.video import main as video_main
from of3.runtime.sources.video import Video

PATIENCE_S = 120


def moving(number, width=320, height=192):
    grains = np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)
    return np.roll(cv2.GaussianBlur(grains, (0, 0), 1.5), number, axis=1)


@pytest.fixture
def overlay(out):
    return out / "overlay"


def words(tmp_path, root):
    return ["--logs", str(tmp_path / "logs"), "--of3_root", str(root), "--device", "cpu"]


@pytest.fixture
def video(standin_root, tmp_path):
    return lambda *given: video_main([*map(str, given), *words(tmp_path, standin_root), "--overlay", "on"])


def frames(path):
    with Video(str(path)) as opened:
        return [(frame.time_s, frame.pixels()) for frame in opened.frames()]


def differences(path, other):
    first, second = frames(path), frames(other)
    assert [time_s for time_s, _ in first] == [time_s for time_s, _ in second]
    return [float(np.abs(a.astype(int) - b).mean()) for (_, a), (_, b) in zip(first, second, strict=True)]


def pictures(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.jpg")}


@pytest.mark.parametrize(
    "flags", [("--faces", "all", "--landmarks", "on"), (), ("--executor", "local", "--workers", "2")]
)
def test_the_pictures_of_a_run_are_those_that_its_logs_give(run, out, overlay, tmp_path, flags):
    assert run("--overlay", "on", *flags) == 0
    assert draw([str(out), "--out", str(tmp_path / "drawn"), "--sample", "all"]) == 0
    made = pictures(overlay)
    assert len(made) == 5
    assert made == pictures(tmp_path / "drawn")


def test_without_it_nothing_is_drawn(run, overlay):
    assert run() == 0
    assert not overlay.exists()


def test_a_run_may_go_on_with_or_without_it(run, overlay, aligned):
    assert run() == 0
    shutil.copy(aligned / "face_2.png", aligned / "another.png")
    assert run("--resume", "on", "--overlay", "on") == 0
    assert [path.name for path in overlay.iterdir()] == ["another.jpg"]


def test_the_film_of_a_video_is_the_one_that_its_logs_give(write, video, tmp_path, out, overlay):
    path = write(tmp_path / "clip.mp4", 12, pixels=moving)
    assert video(path, "--faces", "2", "--smooth", "0.1") == 0
    assert draw([str(out), "--out", str(tmp_path / "drawn")]) == 0
    assert max(differences(overlay / "clip.mp4", tmp_path / "drawn" / "clip.mp4")) < 0.5
    assert min(differences(overlay / "clip.mp4", path)) > 5


def test_a_video_that_is_gone_on_with_has_all_of_its_film(write, video, tmp_path, overlay, out, standin_root):
    path = write(tmp_path / "clip.mp4", 60, pixels=moving)
    start = "import sys; from of3.runtime.commands.video import main; sys.exit(main(sys.argv[1:]))"
    given = [path, "--faces", "1", "--overlay", "on", *words(tmp_path, standin_root)]
    process = subprocess.Popen([sys.executable, "-c", start, *given], stderr=subprocess.DEVNULL)
    table, end_s = out / "video" / "clip.csv", time.monotonic() + PATIENCE_S
    while not table.exists() or table.read_bytes().count(b"\n") < 5:
        assert time.monotonic() < end_s and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)
    assert not (overlay / "clip.mp4").exists()
    assert video(path, "--faces", "1", "--resume", "on") == 0
    assert min(differences(overlay / "clip.mp4", path)) > 2
    assert os.listdir(overlay) == ["clip.mp4"]


def test_a_finished_video_whose_film_is_gone_gets_it_again(write, video, tmp_path, overlay):
    path = write(tmp_path / "clip.mp4", 4, pixels=moving)
    assert video(path, "--faces", "1") == 0
    (overlay / "clip.mp4").unlink()
    assert video(path, "--faces", "1", "--resume", "on") == 0
    assert len(frames(overlay / "clip.mp4")) == 4
