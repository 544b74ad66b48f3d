"""Each contestant of tools/bench.py can be made ready and runs."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[1] / "tools"


@pytest.mark.parametrize(
    "name", ["project", "raw engine", "raw engine, parallel_runs", "write", "latency", "PyTorch 1 thread"]
)
def test_a_contestant_runs_when_told_to(name, standin_root, tmp_path):
    pytest.importorskip("torch", reason="one of them is PyTorch")
    (tmp_path / "aligned_224").mkdir()
    for number in range(8):
        shutil.copy(standin_root / "images" / "face_1.png", tmp_path / "aligned_224" / f"{number}.png")
    script = str(TOOLS / "bench_contestants.py")
    command = [sys.executable, script, name, "aligned_224", str(standin_root), str(tmp_path)]
    done = subprocess.run(command, input="go\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ready, seconds = done.stdout.split()
    assert ready == "ready"
    assert float(seconds) > 0
