"""How commands end when the machine gives no more."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from of3.runtime.commands.status import status_of

CRASH = Path(__file__).parents[2] / "crash"


def test_out_of_memory_is_one_line_and_exit_1(caplog):
    def too_large():
        np.zeros((1 << 60), np.uint8)

    assert status_of(too_large, "") == 1
    (line,) = caplog.messages
    assert line.startswith("out of memory: Unable to allocate 1.00 EiB")
    assert "ulimit -v" in line


@pytest.mark.long
def test_no_more_threads_are_one_line_and_exit_1_however_many_there_were(preloaded, standin_root, tmp_path):
    """Never a traceback, and never a failed row of a good picture."""
    start = "import sys; from of3.runtime.commands.cli import main; sys.exit(main())"
    flags = ["--aligned", standin_root / "images", "--of3_root", standin_root, "--device", "cpu"]
    statuses = []
    for threads in range(8):
        environment = {
            **os.environ,
            "LD_PRELOAD": str(preloaded(CRASH / "threads.c")),
            "THREADS": str(threads),
            "OPENBLAS_NUM_THREADS": "1",  # which interrupts the process where it has none
        }
        command = [sys.executable, "-c", start, "run", *flags, "--logs", tmp_path / str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
        assert "Traceback" not in done.stderr
        said = "can't start new thread: allow more processes" if done.returncode else "failed 0"
        assert said in done.stderr
        statuses.append(done.returncode)
    assert set(statuses) <= {0, 1}
    assert statuses[0] == 1
