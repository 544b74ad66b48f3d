import os
import signal
import subprocess
import sys
import time

import pytest

from of3.runtime.runs.lock import locked
from of3.runtime.types import RunError

HOLD = """
import sys, time
from pathlib import Path
from of3.runtime.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_second_is_refused_at_once_and_told_of_the_first(tmp_path, holder):
    start = time.monotonic()
    with pytest.raises(RunError, match=f"another run writes here, process {holder.pid} on "), locked(tmp_path):
        pass
    assert time.monotonic() - start < 1


def test_a_lock_of_a_dead_process_is_free(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with locked(tmp_path):
        assert str(os.getpid()) in (tmp_path / "run.owner").read_text()
    assert not (tmp_path / "run.owner").exists()


def test_it_can_be_held_again(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "new"):
            pass
