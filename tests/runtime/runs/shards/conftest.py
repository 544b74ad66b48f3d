"""A plan of a few pictures, and decoders that some pictures are too much for."""

import os
import random
import shutil
import signal
import subprocess

import pytest

from of3.runtime.commands.flags import parse

PATIENCE_S = 300
# What a decoder with a fault is like: the process ends, or asks for memory without end.
SITE = """
import ctypes
import simplejpeg

_header = simplejpeg.decode_jpeg_header

def header(content, *arguments, **named):
    if b"segfault" in content:
        ctypes.string_at(0)
    kept = []
    while b"all memory" in content:
        kept.append(bytearray(32 << 20))
    return _header(content, *arguments, **named)

simplejpeg.decode_jpeg_header = header
"""


@pytest.fixture
def faulty(tmp_path):
    """An environment for processes whose JPEG decoder a comment in a picture can end."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    return {**os.environ, "PYTHONPATH": str(tmp_path / "site")}


@pytest.fixture
def killed_and_run_again(files, kills):
    """Kill at random moments what `victims` gives of the run's process, or the process, and run it again."""

    def until_enough(again, victims, out, want, environment=None):
        chance, killed = random.Random(0), 0
        while killed < kills:
            process = subprocess.Popen(again, stderr=subprocess.DEVNULL, env=environment)
            while process.poll() is None and killed < kills:
                try:
                    process.wait(chance.uniform(0.3, 3.0))
                except subprocess.TimeoutExpired:
                    found = victims(process) if victims else [process.pid]
                    if found:
                        os.kill(chance.choice(found), signal.SIGKILL)
                        killed += 1
            if process.wait(PATIENCE_S) == 0:
                assert files(out) == want
                if killed < kills:
                    shutil.rmtree(out)
        subprocess.run(again, check=True, capture_output=True, env=environment, timeout=PATIENCE_S)
        assert files(out) == want

    return until_enough


@pytest.fixture
def options(standin_root, aligned, tmp_path):
    """Of a run with flags."""

    def of(*flags):
        required = [
            "--aligned",
            str(aligned),
            "--logs",
            str(tmp_path / "logs"),
            "--of3_root",
            str(standin_root),
        ]
        return parse([*required, "--device", "cpu", *flags], "of3 run").options()

    return of


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs" / "openface3"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def single(run, out, files):
    """What one process writes of `aligned`."""
    assert run("--device", "cpu") == 0
    found = files(out)
    shutil.rmtree(out)
    return found
