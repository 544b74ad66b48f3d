"""`python -m tools.fuzz`, a little of it: tools/check has more, --long all."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.mark.long
def test_log_folders_that_were_tampered_with_are_refused_by_name_or_written_right(standin_root):
    counts = ["--flips", "40", "--fields", "40", "--planted", "60"]
    words = [sys.executable, "-m", "tools.fuzz", "--of3_root", str(standin_root), *counts]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("0 problems, seed 0\n")
    assert "'refused by name'" in done.stdout
