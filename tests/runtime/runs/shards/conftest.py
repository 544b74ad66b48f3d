"""A plan of a few pictures, and decoders that some pictures are too much for."""

import os
import shutil

import pytest

from of3.runtime.commands.flags import parse

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
