"""Nothing leaves the machine, and nothing is written below HOME, whatever runs.

A preloaded library notes every look-up of a host and every connection, and lets none through.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "privacy" / "lookups.c"
PATIENCE_S = 300
LONGER_S = 15  # than onnxruntime waits before it looks up its vendor's host
API = f"""
import sys, time
import numpy as np
from of3.runtime import Pipeline
until = time.monotonic() + {LONGER_S}
with Pipeline.open(sys.argv[1]) as pipeline:
    while time.monotonic() < until:
        assert list(pipeline.run([np.zeros((64, 64, 3), np.uint8)] * 3))
        time.sleep(0.2)
"""
OF3 = "import sys; from of3.runtime.commands.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def watched(preloaded, tmp_path):
    """Run Python with a home of its own; what it left there and whom it looked for."""

    def watched(*words, said=""):
        home, noted = tmp_path / "home", tmp_path / "noted"
        home.mkdir()
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_", "HF_"))
        }
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            env={**kept, "HOME": str(home), "LD_PRELOAD": str(preloaded(SOURCE)), "LOOKUPS": str(noted)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert said in done.stdout + done.stderr, done.stderr
        left = [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]
        return left, noted.read_text().splitlines() if noted.exists() else []

    return watched


def test_the_library_notes_what_would_leave(watched):
    code = "import socket; open(__import__('os').path.expanduser('~/x'), 'w').close(); socket.gethostbyname; "
    code += "\ntry: socket.getaddrinfo('telemetry.example.org', 443)\nexcept OSError: pass"
    assert watched("-c", code) == (["x"], ["getaddrinfo telemetry.example.org"])


def test_a_pipeline_at_work(watched, bundle_folder):
    assert watched("-c", API, bundle_folder) == ([], [])


@pytest.mark.parametrize("flags", ["", "--executor local --workers 2", "--executor ray --workers 1"])
def test_a_run(watched, standin_root, tmp_path, flags):
    if "ray" in flags:
        pytest.importorskip("ray", reason="an extra")
    where = ["--aligned", standin_root / "images", "--logs", tmp_path / "logs", "--of3_root", standin_root]
    found = watched("-c", OF3, "run", *where, "--device", "cpu", *flags.split(), said="failed 0")
    assert found == ([], [])


def test_doctor_and_build(watched, bundle_copy):
    assert watched("-c", OF3, "doctor", "--bundle", bundle_copy, said="verdict") == ([], [])


@pytest.mark.long
def test_an_export(watched, tmp_path):
    pytest.importorskip("torch", reason="what exports")
    code = (
        "import sys; from pathlib import Path; from of3.export.standin import write_root\n"
        "from of3.export.cli import main\n"
        "root = Path(sys.argv[1]); write_root(root, width=0.125)\n"
        "sys.exit(main(['--of3_root', str(root)]))"
    )
    assert watched("-c", code, tmp_path / "root") == ([], [])
