"""`of3 draw`: pictures and videos from the logs alone."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction

import cv2
import numpy as np
import pytest

from of3.runtime.commands.draw import main
from of3.runtime.commands.video import main as video_main
from of3.runtime.runs.draw import evenly
from of3.runtime.sources.video import Video

PATIENCE_S = 120


@pytest.fixture
def overlay(out):
    return out / "overlay"


def drawn(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.name != "errors.tsv")


def told(folder):
    if not (folder / "errors.tsv").exists():
        return {}
    with (folder / "errors.tsv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return {row["path"]: row["reason"] for row in csv.DictReader(file, delimiter="\t")}


def difference(path, other):
    first, second = (np.asarray(cv2.imread(str(each))) for each in (path, other))
    assert first.shape == second.shape
    return np.abs(first.astype(int) - second).mean()


def test_every_picture_is_drawn_under_its_own_name_without_a_network(run, out, overlay, aligned, standin_root):
    assert run("--landmarks", "on") == 0
    assert main([str(out.parent)]) == 0
    assert drawn(overlay) == ["au_1.jpg", "face_0.jpg", "face_1.jpg", "face_2.jpg", "sub/face_0.jpg"]
    assert difference(overlay / "face_2.jpg", aligned / "face_2.png") > 2
    assert list(told(overlay)) == [str(aligned / "broken.jpg")]


def test_a_picture_without_a_face_says_so_in_its_corner(run, out, overlay, aligned):
    cv2.imwrite(str(aligned / "grey.png"), np.full((144, 192, 3), 60, np.uint8))
    assert run("--skip_detect", "off") == 0
    assert main([str(out.parent)]) == 0
    pixels = np.asarray(cv2.imread(str(overlay / "grey.jpg"))).astype(int)
    assert np.abs(pixels[:20, :60] - 60).max() > 60
    assert np.abs(pixels[40:] - 60).max() < 5


def test_a_changed_or_missing_picture_costs_its_drawing_alone(run, out, overlay, aligned):
    assert run() == 0
    (aligned / "face_0.png").unlink()
    shutil.copy(aligned / "face_2.png", aligned / "face_1.png")
    assert main([str(out.parent)]) == 0
    assert drawn(overlay) == ["au_1.jpg", "face_2.jpg", "sub/face_0.jpg"]
    reasons = told(overlay)
    assert reasons[str(aligned / "face_0.png")] == "not there any more"
    assert reasons[str(aligned / "face_1.png")] == "changed since it was analysed"


def test_odd_names_are_drawn(run, out, overlay, aligned, standin_root):
    source = standin_root / "images" / "face_1.png"
    odd = ["new\nline", "-rf %d *", "ünï\u4e2d", os.fsdecode(b"\xff"), "a" * 240]
    for name in odd:
        shutil.copy(source, aligned / f"{name}.png")
    assert run() == 0
    assert main([str(out.parent)]) == 0
    there = drawn(overlay)
    assert {f"{name}.jpg" for name in odd[:-1]} <= set(there)
    assert sum(name.startswith("aaaa") for name in there) == 1


def test_every_face_or_the_best_is_drawn(run, out, overlay, aligned):
    assert run("--faces", "all") == 0
    changed = []
    for faces in ("all", "1"):
        assert main([str(out.parent), "--faces", faces]) == 0
        changed.append(difference(overlay / "face_2.jpg", aligned / "face_2.png"))
    assert changed[0] > changed[1] > 0.5


def test_drawings_go_where_they_are_asked_to(run, out, tmp_path):
    assert run() == 0
    before = sorted(out.rglob("*"))
    assert main([str(out), "--out", str(tmp_path / "a" / "b"), "--sample", "2"]) == 0
    assert len(drawn(tmp_path / "a" / "b")) + len(told(tmp_path / "a" / "b")) == 2
    assert sorted(out.rglob("*")) == before


@pytest.mark.parametrize(("total", "sample"), [(10, 3), (5000, 100), (7, 7), (3, 100), (1, 1), (9, 0)])
def test_a_sample_is_of_that_size_and_spread_evenly(total, sample):
    chosen = evenly(total, sample)
    numbers = [number for number in range(total) if chosen(number)]
    assert len(numbers) == min(sample or total, total)
    steps = np.diff(numbers)
    assert not len(steps) or steps.max() - steps.min() <= 1


def test_without_logs_there_is_nothing_to_draw(tmp_path, caplog):
    assert main([str(tmp_path)]) == 2
    assert "want a log root of a run" in caplog.text


@pytest.mark.parametrize("below", [(), ("a",)])
def test_a_file_where_the_drawings_are_to_go_is_refused_and_left(run, out, tmp_path, below, caplog):
    assert run() == 0
    (tmp_path / "rep.html").write_text("mine")
    assert main([str(out), "--out", str(tmp_path.joinpath("rep.html", *below))]) == 2
    assert "is a file or lies in one, want a folder: pass another --out" in caplog.text
    assert "draws all of it again" not in caplog.text
    assert (tmp_path / "rep.html").read_text() == "mine"


def test_several_thousand_rows_are_sampled(more, standin_root, tmp_path):
    from of3.runtime.commands.cli import main as of3

    logs = tmp_path / "logs"
    places = ["--aligned", str(more), "--logs", str(logs), "--of3_root", str(standin_root)]
    assert of3(["run", *places, "--engine", "fake", "--per_image", "off"]) == 0
    assert main([str(logs), "--sample", "30"]) == 0
    overlay = logs / "openface3" / "overlay"
    assert len(drawn(overlay)) + len(told(overlay)) == 30


def moving(number, width=320, height=192):
    grains = np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)
    return np.roll(cv2.GaussianBlur(grains, (0, 0), 1.5), number, axis=1)


@pytest.fixture
def video(standin_root, tmp_path):
    def run(*words):
        places = ["--logs", str(tmp_path / "logs"), "--of3_root", str(standin_root), "--device", "cpu"]
        return video_main([*map(str, words), *places])

    return run


def times(av, path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return sorted(packet.pts * stream.time_base for packet in container.demux(stream) if packet.size)


def test_a_video_is_drawn_at_its_own_times_every_person_of_it(write, video, av, tmp_path, out, overlay):
    times_ms = [0, 40, 47, 200, 230, 900, 905, 1000]
    path = write(tmp_path / "three ü.mkv", 8, times_ms=times_ms, pixels=moving)
    assert video(path, "--faces", "3", "--smooth", "0.2") == 0
    assert main([str(out.parent)]) == 0
    film = overlay / "three ü.mp4"
    assert times(av, film) == [Fraction(ms, 1000) for ms in times_ms]
    with Video(str(film)) as made, Video(path) as there:
        for one, other in zip(made.frames(), there.frames(), strict=True):
            assert np.abs(one.pixels().astype(int) - other.pixels()).mean() > 5


def test_of_a_video_the_frames_that_were_analysed_are_drawn(write, video, av, tmp_path, out, overlay):
    path = write(tmp_path / "clip.mp4", 20, pixels=moving)
    assert video(path, "--faces", "2", "--every", "4", "--start", "0.2") == 0
    assert main([str(out.parent)]) == 0
    assert times(av, overlay / "clip.mp4") == [Fraction(number, 30) for number in (8, 12, 16)]


def test_a_video_that_is_gone_or_another_costs_its_drawing_alone(write, video, tmp_path, out, overlay):
    paths = [write(tmp_path / f"{name}.mp4", 4, pixels=moving) for name in "abc"]
    assert video(*paths, "--faces", "1") == 0
    os.unlink(paths[0])
    write(tmp_path / "b.mp4", 6, pixels=moving)
    assert main([str(out.parent)]) == 0
    assert drawn(overlay) == ["c.mp4"]
    assert [reason.split()[-3:] for reason in told(overlay).values()] == [
        ["there", "any", "more"],
        ["it", "was", "analysed"],
    ]


def test_what_is_ended_leaves_no_half_drawing(write, video, tmp_path, out, overlay):
    path = write(tmp_path / "long.mp4", 120, pixels=moving)
    assert video(path, "--faces", "1", "--detector_resize", "0.5", "--landmarks", "off") == 0
    start = "import sys; from of3.runtime.commands.draw import main; sys.exit(main(sys.argv[1:]))"
    for ended_by, left in ((signal.SIGKILL, [".long.mp4.tmp"]), (signal.SIGTERM, [])):
        shutil.rmtree(overlay, ignore_errors=True)
        process = subprocess.Popen([sys.executable, "-c", start, str(out.parent)], stderr=subprocess.DEVNULL)
        end_s = time.monotonic() + PATIENCE_S
        while not (overlay / ".long.mp4.tmp").exists():
            assert time.monotonic() < end_s and process.poll() is None
            time.sleep(0.002)
        process.send_signal(ended_by)
        assert process.wait(PATIENCE_S) in (130, 143, -signal.SIGKILL)
        assert drawn(overlay) == left
    assert main([str(out.parent)]) == 0
    assert drawn(overlay) == ["long.mp4"]
