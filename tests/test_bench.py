"""Each contestant of `python -m tools.bench` can be made ready and runs; every tool can say what it does."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def call(*words, **more):
    command = [sys.executable, "-m", *map(str, words)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, **more)


@pytest.mark.parametrize(
    "name", ["project", "raw engine", "raw engine, parallel_runs", "write", "latency", "PyTorch 1 thread"]
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
    ["bench", "bench.scale", "bench.stored", "bench.contestants", "fuzz", "soak", "gpu_check"],
)
def test_a_tool_says_what_it_does(tool):
    pytest.importorskip("torch", reason="some of them export")
    if tool == "bench":
        pytest.importorskip("matplotlib", reason="it draws")
    done = call(f"tools.{tool}", "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")


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
