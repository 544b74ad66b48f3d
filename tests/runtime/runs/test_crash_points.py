"""Stopped at every call that changes a file, and then completed: the files of a run that nothing disturbed.

A preloaded library (`tests/crash/stop.c`) counts the calls of Python, of its libraries and of SQLite alike:
write, pwrite, fsync, fdatasync, ftruncate, rename, unlink, mkdir, rmdir.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CRASH = Path(__file__).resolve().parents[2] / "crash"
SCENARIOS = ("run", "resume", "override", "append", "twice", "share", "merge", "merge_after", "render")
EVERY = 10  # of the points, where there is little time


@pytest.fixture(scope="session")
def stopper(tmp_path_factory):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here to make the library that stops a process with")
    made = tmp_path_factory.mktemp("stopper") / "stop.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", made, CRASH / "stop.c", "-ldl"], check=True)
    return made


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_stopped_at_any_point_it_is_completed(scenario, stopper, standin_root, tmp_path, request):
    every = 1 if request.config.getoption("--long") else EVERY
    words = [CRASH / "driver.py", standin_root, tmp_path, scenario, every, len(scenario)]
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        env={**os.environ, "LD_PRELOAD": str(stopper)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    print(scenario, found["points"], "points")
    assert found["wrong"] == []
    assert found["points"] > 50
    assert found["tried"] >= 2 * (found["points"] // every)
