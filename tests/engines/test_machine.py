import os
import subprocess
import sys

import pytest

from of3.engines import machine


def run_with_packages(folder, names, code):
    """Run `code` where these packages, by their metadata, are installed besides."""
    for name in names:
        info = folder / f"{name.replace('-', '_')}-9.9.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_both_onnxruntime_wheels_are_a_conflict_with_a_remedy(tmp_path):
    code = "from of3.engines import machine; print(machine.conflicts())"
    said = run_with_packages(tmp_path, ["onnxruntime", "onnxruntime-gpu"], code)
    assert "onnxruntime and onnxruntime-gpu are both installed" in said
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in said


def test_one_wheel_is_none():
    assert not any("both installed" in said for said in machine.conflicts())


def test_the_packages_that_matter_are_told_with_their_versions(tmp_path):
    code = "from of3.engines import machine; print(machine.packages()['tensorrt'])"
    assert run_with_packages(tmp_path, ["tensorrt"], code).strip() == "9.9"
    assert {"of3", "python", "numpy"} <= set(machine.packages())


@pytest.mark.skipif(machine.has_nvidia_device(), reason="this machine has a GPU")
def test_without_a_gpu_that_is_said():
    assert machine.describe_gpu().startswith("none on this machine")
    assert "CPUExecutionProvider" in machine.describe_providers()
