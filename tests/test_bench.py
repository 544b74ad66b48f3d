"""Each contestant of `python -m tools.bench` can be made ready and runs; every tool can say what it does."""

import importlib
import json
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def call(*words, **more):
    command = [sys.executable, "-m", *map(str, words)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, **more)


@pytest.mark.parametrize(
    "name",
    [
        *("project", "raw engine", "raw engine, side by side", "write", "latency"),
        pytest.param("PyTorch 1 thread", marks=pytest.mark.long),
    ],
)
def test_a_contestant_runs_when_told_to(name, standin_root, tmp_path):
    pytest.importorskip("torch", reason="one of them is PyTorch")
    (tmp_path / "aligned_224").mkdir()
    for number in range(8):
        shutil.copy(standin_root / "images" / "face_1.png", tmp_path / "aligned_224" / f"{number}.png")
    done = call("tools.bench.contestants", name, "aligned_224", standin_root, tmp_path, input="go\ngo\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["ready", "done", "done"]


@pytest.mark.parametrize(
    "tool",
    ["bench", "bench.scale", "bench.stored", "bench.contestants", "fuzz", "soak", "gpu_check", "portrait"],
)
def test_a_tool_says_what_it_does(tool):
    pytest.importorskip("torch", reason="some of them export")
    if tool in ("bench", "soak"):
        pytest.importorskip("matplotlib", reason="it draws")
    done = call(f"tools.{tool}", "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")


def texts_of(panel):
    """Numbers and words of a panel, as far as they are shown."""
    yield from (panel.title, panel.xaxis.label, panel.yaxis.label)
    for axis, (least, most) in ((panel.xaxis, panel.get_xlim()), (panel.yaxis, panel.get_ylim())):
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if least <= tick.get_loc() <= most and tick.label1.get_visible() and tick.label1.get_text():
                yield tick.label1


def test_nothing_stands_over_anything_in_a_chart(tmp_path):
    charts = pytest.importorskip("tools.bench.charts", reason="matplotlib draws")
    records = importlib.import_module("tools.bench.records")
    points = {1: 15.6, 2: 13.4, 4: 12.9, 8: 13.1, 16: 13.6, 32: 14.4}
    flat = [records.Curve("batch", f"a network, {n} threads, ms a face", "", points) for n in (1, 2)]
    steep = records.Curve("images", "a run, ms", "", {30: 361, 100: 992, 300: 2870, 1000: 8990, 3000: 26100})
    raced = records.Measured("aligned_224", 1, {"project": [0.008], "upstream classes": [0.04]})
    samples = [{"images": n, "resident_mb": 442.0, "threads": 5} for n in (500, 1000)]
    for drawing in (
        charts.growth([*flat, steep]),
        charts.rates([raced, raced], ("project", "upstream classes")),
        charts.soak(samples, {"resident_mb": "memory, MB", "threads": "threads"}),
    ):
        charts.save(drawing, tmp_path / "chart.svg")  # which lays it out
        panels = [panel.get_window_extent() for panel in drawing.axes]
        boxes = [each.get_window_extent() for panel in drawing.axes for each in texts_of(panel)]
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
        legends = [panel.get_legend().get_window_extent() for panel in drawing.axes if panel.get_legend()]
        assert not any(legend.overlaps(panel) for legend in legends for panel in panels)
        assert all(len(panel.get_yticks()) > 1 for panel in drawing.axes)


@pytest.mark.long
@pytest.mark.parametrize("step", ["written", "resumed", "rendered"])
def test_memory_does_not_grow_with_the_rows(step, tmp_path):
    """507 bytes a row, as sorting once took, would be 50 MB here."""
    peaks = []
    for rows in (2000, 100_000):
        folder = tmp_path / str(rows) / "openface3"
        for each in dict.fromkeys(["written", step]):
            done = call("tools.bench.stored", "--step", each, "--rows", rows, "--folder", folder)
            assert done.returncode == 0, done.stderr
        peaks.append(json.loads(done.stdout.splitlines()[-1])["peak MB"])
    assert peaks[1] - peaks[0] < 35, peaks
