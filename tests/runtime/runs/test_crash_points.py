"""Stopped at every call that changes a file, and then completed: the files of a run that nothing disturbed.

A preloaded library (`tests/crash/stop.c`) counts the calls of Python, of its libraries and of SQLite alike:
write, pwrite, fsync, fdatasync, ftruncate, rename, unlink, mkdir, rmdir.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CRASH = Path(__file__).resolve().parents[2] / "crash"
SHORT = ("run", "merge", "render")
LONG = ("resume", "override", "append", "twice", "share", "merge_after")
EVERY = 10  # of the points, where there is little time


@pytest.mark.parametrize("scenario", [*SHORT, *(pytest.param(each, marks=pytest.mark.long) for each in LONG)])
def test_stopped_at_any_point_it_is_completed(scenario, preloaded, standin_root, tmp_path, request):
    every = 1 if request.config.getoption("--long") else EVERY
    words = [CRASH / "driver.py", standin_root, tmp_path, scenario, every, len(scenario)]
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        env={**os.environ, "LD_PRELOAD": str(preloaded(CRASH / "stop.c"))},
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
