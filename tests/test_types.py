"""A user's program against the public names, as strict type checkers see it."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PROGRAM = REPOSITORY / "tests" / "user" / "program.py"
MISTAKES = """\
import of3

settings = of3.Settings(batch="4")  # wrong
pipeline = of3.Pipeline.open(3)  # wrong
for result in pipeline.run("a.jpg"):
    print(result.emotion)  # wrong
print(of3.Pipelin)  # wrong
"""
MARKED = [number for number, line in enumerate(MISTAKES.splitlines(), 1) if line.endswith("# wrong")]


def lines_by_mypy(tmp_path, path):
    pytest.importorskip("mypy", reason="of the extra dev")
    words = [sys.executable, "-m", "mypy", "--cache-dir", tmp_path, "--no-error-summary", path]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return [int(line) for line in re.findall(r"\.py:(\d+): error:", done.stdout)], done.stdout


def lines_by_pyright(tmp_path, path):
    pyright = shutil.which("pyright")
    if pyright is None:
        pytest.skip("no pyright here: npm install -g pyright")
    project = {
        "include": [Path(shutil.copy(path, tmp_path)).name],
        "extraPaths": extra_paths(),
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(project))
    words = [pyright, "--project", tmp_path, "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return sorted({each["range"]["start"]["line"] + 1 for each in found}), done.stdout


def extra_paths():
    """Where of3 is: a wheel is found; editable installs are found by a hook that type checkers do not run."""
    spec = importlib.util.find_spec("of3")
    assert spec is not None and spec.origin is not None
    return [] if Path(spec.origin).parent.name == "of3" else [str(REPOSITORY / "tools" / "typing")]


CHECKERS = [pytest.param(lines_by_mypy, marks=pytest.mark.long), lines_by_pyright]  # mypy: ten seconds each


@pytest.mark.parametrize("lines", CHECKERS)
def test_it_is_right(lines, tmp_path):
    found, said = lines(tmp_path, PROGRAM)
    assert found == [], said


@pytest.mark.parametrize("lines", CHECKERS)
def test_mistakes_are_found_and_nothing_else(lines, tmp_path):
    path = tmp_path / "before" / "mistakes.py"
    path.parent.mkdir()
    path.write_text(MISTAKES)
    found, said = lines(tmp_path, path)
    assert sorted(set(found)) == MARKED, said
