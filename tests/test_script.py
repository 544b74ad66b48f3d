"""`tools/openface3.py` as a user runs it: a process of its own, in which importing torch raises."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "tools" / "openface3.py"


@pytest.fixture
def environment(tmp_path):
    """PYTHONPATH with modules in torch's, onnx's and tensorrt's place that raise."""
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    for name in ("torch", "onnx", "tensorrt"):
        (blocked / f"{name}.py").write_text(f"raise ImportError('{name} must not be imported')\n")
    return {**os.environ, "PYTHONPATH": str(blocked)}


@pytest.fixture
def copy(tmp_path):
    (tmp_path / "scripts").mkdir()
    return Path(shutil.copy(SCRIPT, tmp_path / "scripts"))


def call(script, *flags, env, cwd):
    command = [sys.executable, "-u", str(script), *map(str, flags)]
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, check=False)


def test_the_whole_job_without_torch_from_any_folder(copy, environment, standin_root, tmp_path):
    done = call(
        *(copy, "--aligned", standin_root / "images", "--logs", tmp_path / "logs", "--of3_root", standin_root),
        *("--device", "cuda", "--amp", "on", "--dtype", "bf16", "--tf32", "on", "--skip_detect", "on"),
        *("--per_image", "on", "--override", "--landmarks", "on"),
        env=environment,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "logs/openface3/openface3.csv").open(newline="") as file:
        assert [row["success"] for row in csv.DictReader(file)] == ["1"] * 11
    assert "--aligned DIR" in (copy.parent / "openface3.txt").read_text()
    assert "onnxruntime" in done.stderr


def test_without_the_required_flags_it_prints_the_help_and_exits_0(copy, environment, tmp_path):
    done = call(copy, env=environment, cwd=tmp_path)
    assert done.returncode == 0
    assert "--aligned DIR" in done.stdout
    assert "missing --aligned, --logs, --of3_root" in done.stderr


@pytest.mark.parametrize("flag", ["-h", "--h"])
def test_help_is_printed_and_the_run_goes_on(copy, environment, standin_root, tmp_path, flag):
    required = ("--aligned", standin_root / "images", "--logs", tmp_path / "logs", "--of3_root", standin_root)
    done = call(copy, flag, *required, "--help", "off", env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--aligned DIR" in done.stdout
    assert (tmp_path / "logs/openface3/openface3.csv").exists()
    assert not (copy.parent / "openface3.txt").exists()


def test_a_folder_that_takes_no_help_file_is_no_reason_to_fail(copy, environment, standin_root, tmp_path):
    (copy.parent / "openface3.txt").mkdir()  # fails for every user, root too
    required = ("--aligned", standin_root / "images", "--logs", tmp_path / "logs", "--of3_root", standin_root)
    done = call(copy, *required, env=environment, cwd=tmp_path)
    assert done.returncode == 0
    assert "help text not written" in done.stderr


def test_wrong_flags_exit_2(copy, environment, tmp_path):
    done = call(copy, "--dtype", "int8", env=environment, cwd=tmp_path)
    assert done.returncode == 2
    assert "invalid choice: 'int8'" in done.stderr
