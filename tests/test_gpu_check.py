"""tools/gpu_check as far as it goes without a GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from of3.engines import host

TOOL = Path(__file__).resolve().parents[1] / "tools" / "gpu_check"


def call(*arguments):
    environment = {**os.environ, "PYTHON": sys.executable}
    return subprocess.run(
        [TOOL, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(host.has_nvidia_device(), reason="this machine has a GPU")
def test_without_a_gpu_it_says_so_and_writes_nothing(standin_root, tmp_path):
    done = call("--of3_root", standin_root, "--out", tmp_path / "gpu.md")
    assert done.returncode == 2
    assert "gpu_check: " in done.stderr
    assert not (tmp_path / "gpu.md").exists()


def test_the_table_can_be_tried_on_the_cpu(standin_root, tmp_path):
    flags = ["--without_gpu", "--models", "multitask", "--batches", "1", "4"]
    done = call("--of3_root", standin_root, "--out", tmp_path / "gpu.md", *flags)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "gpu.md").read_text()
    assert "**stand-in weights**" in text
    (row,) = (line for line in text.splitlines() if line.startswith("| multitask | onnxruntime"))
    assert "au 0.0e+00 / 0.0e+00" in row
    assert all(float(cell) > 0 for cell in row.split("|")[-3:-1])
