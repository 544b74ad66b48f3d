"""tools/gpu_check to its end on a machine without a GPU: lines that say why, and your bundle as it was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from of3.engines import host
from tools.gpu.busy import Busy, watched
from tools.gpu.child import rows_of
from tools.gpu.row import HEAD, Page, Row
from tools.gpu.whole_run import best_of

REPOSITORY = Path(__file__).resolve().parents[1]
SMALL = ("--models", "multitask", "--batches", "1", "4", "--seconds", "0.1", "--pictures", "30")


def state_of(folder):
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(folder.rglob("*"))}


@pytest.fixture(scope="module")
def table(standin_root, tmp_path_factory):
    """The lines of the table by what they are of, of a run that ends well."""
    out = tmp_path_factory.mktemp("gpu_check") / "gpu.md"
    bundle = standin_root / "weights" / "of3_bundle"
    before = state_of(bundle)
    done = subprocess.run(
        [REPOSITORY / "tools" / "gpu_check", "--of3_root", standin_root, "--out", out, *SMALL],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert state_of(bundle) == before
    text = out.read_text()
    assert "**stand-in weights**" in text
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [dict(zip(HEAD, line, strict=False)) for line in lines[1:]]


def of(table, what, runs_on=""):
    return [line for line in table if line["what"].startswith(what) and runs_on in line["runs on"]]


@pytest.mark.long
def test_the_cpu_is_measured_one_batch_at_a_time(table):
    lines = of(table, "multitask fp32", "CPU fp32")
    assert {line["batch"].strip() for line in lines} == {"1", "4"}
    assert all(float(line["images/s"]) > 0 for line in lines)


@pytest.mark.long
@pytest.mark.skipif(host.has_nvidia_device(), reason="this machine has a GPU")
@pytest.mark.parametrize("engine", ["cuda", "tensorrt"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_what_does_not_open_is_a_line_with_its_reason(table, engine, precision):
    lines = of(table, f"multitask {precision}", engine)
    assert lines
    assert all("does not open: " in line["note"] for line in lines)


@pytest.mark.long
@pytest.mark.skipif(host.has_nvidia_device(), reason="this machine has a GPU")
def test_builds_pytorch_and_whole_runs_say_why_not_too(table):
    assert all("exit 2: " in line["note"] for line in of(table, "of3 build"))
    assert of(table, "multitask bf16", "PyTorch")[0]["note"] == "this PyTorch sees no GPU"
    runs = of(table, "of3 run: crops", "CPU fp32")
    assert len(runs) == 3
    assert all(float(line["images/s"]) > 0 and "not cuda: " in line["note"] for line in runs)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os.abort()", "ended by SIGABRT"),
        ("raise SystemExit('no CUDA')", "no CUDA (exit 1)"),
        ("import time; time.sleep(9)", "timed out"),
    ],
)
def test_a_process_that_dies_is_a_line_and_its_lines_before_stay(monkeypatch, code, said):
    monkeypatch.setattr("tools.gpu.child.WITHIN_S", 2)
    first = "from tools.gpu.row import Row, told; told(Row('one')); "
    found = rows_of("two", [sys.executable, "-c", first + code])
    assert found[-1].what == "two"
    assert said in found[-1].note
    assert found[0].what == ("two" if said == "timed out" else "one")


def test_every_line_is_on_the_disk_as_soon_as_it_is_known(tmp_path):
    page = Page(tmp_path / "gpu.md", "T", "about")
    page.add(Row("a", "cuda", 8, 2, 123.45, 0.5, 0.25, "au 1e-3", "one | two\nthree"))
    line = (tmp_path / "gpu.md").read_text().splitlines()[-1]
    assert line == "| a | cuda | 8 | 2 | 123.5 | 50% | 25% | au 1e-3 | one / two three |"


def test_a_share_is_of_the_best_that_the_same_engine_did_alone():
    rows = [Row("multitask fp16", "x", images_per_s=rate) for rate in (10.0, 40.0)]
    rows += [Row("multitask fp16", "y", images_per_s=90.0), Row("detector fp16", "x", images_per_s=70.0)]
    assert best_of(rows, "x") == 40.0
    assert best_of(rows, "z") is None


def test_a_gpu_is_busy_from_its_first_work_to_its_last():
    busy = Busy()
    for percent in (0, 0, 100, 0, 50, 0):
        busy.note(percent)
    assert busy.share == 0.5
    assert Busy().share is None


@pytest.mark.skipif(host.has_nvidia_device(), reason="this machine has a GPU")
def test_without_nvml_nothing_is_said_of_the_gpu():
    with watched() as busy:
        pass
    assert busy.share is None
