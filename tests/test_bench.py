"""Each contestant of `python -m tools.bench` can be made ready and runs; every tool can say what it does."""

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
    "tool", ["bench", "bench.scale", "bench.stored", "bench.contestants", "fuzz", "soak", "gpu_check"]
)
def test_a_tool_says_what_it_does(tool):
    pytest.importorskip("torch", reason="some of them export")
    if tool == "bench":
        pytest.importorskip("matplotlib", reason="it draws")
    done = call(f"tools.{tool}", "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")
