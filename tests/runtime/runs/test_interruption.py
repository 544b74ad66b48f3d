"""The first signal lets a run end, the second ends the process, whatever a thread is in."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from of3.runtime.runs.interruption import Interruption

WITHIN_S = 5
STUCK = """
import hashlib, threading
from of3.engines.workers import Workers
from of3.runtime.runs.interruption import Interruption

def for_ever():
    print("at work", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # some minutes in C, where no handler runs

with Interruption() as interruption:
    {}
"""
WHERE = {
    "the main thread": "for_ever()",
    "a worker, waited for": "Workers(1, 'x').submit(for_ever)()",
    "a worker, being closed": "w = Workers(1, 'x'); w.submit(for_ever); w.close()",
    "a thread, joined": "t = threading.Thread(target=for_ever); t.start(); t.join()",
}
# A decoder that is caught in a loop by pictures that say so.
SITE = """
import hashlib
import os
import simplejpeg

_header = simplejpeg.decode_jpeg_header

def header(content, *arguments, **named):
    if b"for ever" in content:
        open(os.environ["CAUGHT"], "x").close()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
    return _header(content, *arguments, **named)

simplejpeg.decode_jpeg_header = header
"""


def ended_by_two(process, first=signal.SIGTERM, second=signal.SIGTERM):
    """Its status, once two signals came, some time apart."""
    process.send_signal(first)
    time.sleep(0.3)
    assert process.poll() is None, "one ended it"
    process.send_signal(second)
    return process.wait(WITHIN_S)


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_a_process_whatever_it_is_in(where, second):
    script = STUCK.format(WHERE[where])
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        try:
            assert ended_by_two(process, second=second) == 128 + second
        finally:
            process.kill()


@pytest.fixture
def caught(aligned, tmp_path):
    """A command over pictures one of which catches its decoder in a loop, and its environment."""
    jpeg = cv2.imencode(".jpg", np.zeros((48, 48, 3), np.uint8))[1].tobytes()
    comment = b"for ever"
    (aligned / "caught.jpg").write_bytes(
        jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]
    )
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    search = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": search, "CAUGHT": str(tmp_path / "is_caught")}


def children(pid):
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("flags", [(), ("--executor", "local", "--workers", "1")])
def test_a_second_signal_ends_a_run_whose_decoder_does_not_return(
    aligned, standin_root, tmp_path, caught, command, flags
):
    """With the processes that it hired; what is done stays."""
    words = command(aligned, standin_root, tmp_path / "logs", *flags)
    process = subprocess.Popen(words, env=caught, stderr=subprocess.DEVNULL)
    try:
        while not (tmp_path / "is_caught").exists():
            assert process.poll() is None
            time.sleep(0.05)
        hired = children(process.pid)
        assert bool(hired) == bool(flags)
        assert ended_by_two(process) == 143
    finally:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in hired):
        assert time.monotonic() < deadline, "a worker goes on"
        time.sleep(0.1)


def test_afterwards_signals_are_as_before_and_nothing_is_left_open():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    open_before = len(os.listdir("/proc/self/fd"))
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.status == 143
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(wakeup) == wakeup
    assert len(os.listdir("/proc/self/fd")) == open_before
