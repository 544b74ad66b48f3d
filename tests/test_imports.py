"""Who imports whom, in the sources and in a clean interpreter."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "onnx", "tensorrt", "tensorrt_rtx", "onnxruntime"}


def imported(path):
    """Top-level names, and `of3.x` for our own packages."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module]
        for name in names:
            yield ".".join(name.split(".")[:2]) if name.startswith("of3") else name.split(".")[0]


def sources(folder):
    return sorted((REPOSITORY / folder).rglob("*.py"))


@pytest.mark.parametrize("path", sources("runtime"), ids=lambda path: path.name)
def test_runtime_meets_no_heavy_library_and_no_exporter(path):
    assert not set(imported(path)) & (HEAVY | {"of3.export"})


@pytest.mark.parametrize("path", sources("runtime"), ids=lambda path: path.name)
def test_ray_is_met_in_one_place_and_only_when_asked_for(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert path.name == "cluster.py" or "ray" not in set(imported(path))
    assert not any(
        alias.name == "ray" for node in tree.body if isinstance(node, ast.Import) for alias in node.names
    )


@pytest.mark.parametrize("path", sources("engines"), ids=lambda path: path.name)
def test_engines_import_nothing_of_ours_and_no_torch(path):
    names = set(imported(path))
    assert not names & {"of3.runtime", "of3.export", "torch", "onnx"}
    if path.name != "ort.py":
        assert "onnxruntime" not in names


@pytest.mark.parametrize("path", sources("export"), ids=lambda path: path.name)
def test_export_imports_no_runtime(path):
    assert "of3.runtime" not in set(imported(path))


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


BLOCK = f"""
import sys
for name in {sorted(HEAVY)}:
    sys.modules[name] = None
"""


def test_runtime_imports_with_every_heavy_library_blocked():
    done = run_python(BLOCK + "import of3.runtime.job, of3.engines.open, of3.runtime.shards.run")
    assert done.returncode == 0, done.stderr


def test_help_needs_neither_opencv_nor_an_engine():
    code = "import sys, of3.runtime.cli, of3.runtime.options as o; o.parser('x').format_help(); "
    done = run_python(code + "print([m for m in ('cv2', 'onnxruntime', 'torch') if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


def test_pixel_limit_is_set_before_opencv_is_imported():
    code = "import os, sys, of3.runtime; print('cv2' in sys.modules, os.environ['OPENCV_IO_MAX_IMAGE_PIXELS'])"
    assert run_python(code).stdout.split() == ["False", "178956970"]


def test_without_ray_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "from of3.runtime.shards.cluster import import_ray\n"
        "from of3.runtime.types import RunError\n"
        "try: import_ray()\n"
        "except RunError as error: print(error)"
    )
    assert "pip install 'of3[ray]'" in run_python(code).stdout


def test_without_onnxruntime_the_error_names_the_extras(bundle_folder):
    code = BLOCK + (
        "from of3.runtime.pipeline import Pipeline\n"
        "from of3.engines.base import EngineUnavailable\n"
        f"try: Pipeline.open({str(bundle_folder)!r})\n"
        "except EngineUnavailable as error: print(error)"
    )
    done = run_python(code)
    assert "of3[cpu]" in done.stdout, done.stderr
    assert "of3[gpu]" in done.stdout
