"""Nothing leaves the machine, and nothing stays below HOME or in the temporary folder, whatever runs.

A preloaded library notes every look-up of a host and every connection, and lets none through.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
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
    """Run Python with a home and a temporary folder of its own; what it left there and whom it looked for."""

    def watched(*words, said=""):
        home, noted = tmp_path / "home", tmp_path / "noted"
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_", "HF_"))
        }
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            env={
                **kept,
                "HOME": str(home),
                "TMPDIR": str(home / "tmp"),
                "LD_PRELOAD": str(preloaded(SOURCE)),
                "LOOKUPS": str(noted),
            },
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


@pytest.mark.long
def test_a_pipeline_at_work(watched, bundle_folder):
    assert watched("-c", API, bundle_folder) == ([], [])


@pytest.mark.parametrize(
    "flags",
    ["", "--executor local --workers 2", pytest.param("--executor ray --workers 1", marks=pytest.mark.long)],
)
def test_a_run(watched, standin_root, tmp_path, flags, ray_alone):
    if "ray" in flags:
        pytest.importorskip("ray", reason="an extra")
    before = clusters()
    where = ["--aligned", standin_root / "images", "--logs", tmp_path / "logs", "--of3_root", standin_root]
    found = watched("-c", OF3, "run", *where, "--device", "cpu", *flags.split(), said="failed 0")
    assert found == ([], [])
    assert clusters() == before


def test_a_run_on_openvino_and_what_measures_it(watched, standin_root, bundle_copy, tmp_path):
    """On a processor that OpenVINO does not know it is only loaded."""
    pytest.importorskip("onnxruntime_ep_openvino", reason="an extra")
    where = ["--aligned", standin_root / "images", "--logs", tmp_path / "logs", "--of3_root", standin_root]
    flags = ["--bundle", bundle_copy, "--device", "cpu", "--engine", "openvino", "--landmarks", "on"]
    assert watched("-c", OF3, "run", *where, *flags, said="failed 0") == ([], [])
    assert watched("-c", OF3, "doctor", "--bundle", bundle_copy, said="onnxruntime-ep-openvino") == ([], [])
    # OpenVINO keeps what it compiled in the folder that a program stands in, if it is let.
    assert {path.name for path in tmp_path.iterdir()} <= {"home", "noted", "logs", "of3_bundle"}


def clusters():
    """Folders of a cluster, which are not below a temporary folder of a name as long as this test's."""
    return sorted(Path("/tmp").glob("of3-ray-*")) + sorted(Path("/tmp/ray").glob("session_*"))


def test_shares_and_what_is_made_of_them(watched, standin_root, tmp_path):
    where = ["--aligned", standin_root / "images", "--logs", tmp_path / "logs", "--of3_root", standin_root]
    for words in (["manifest", *where], ["run", *where, "--shard", "0/1"], ["merge", *where[2:4]]):
        assert watched("-c", OF3, *words, *(["--device", "cpu"] if words[0] != "merge" else [])) == ([], [])
    assert watched("-c", OF3, "render", tmp_path / "logs", said="written anew") == ([], [])


def test_a_report(watched, tmp_path):
    pytest.importorskip("jinja2", reason="the extra report is not installed")
    code = (
        f"import sys; from pathlib import Path; sys.path.insert(0, {str(REPOSITORY)!r})\n"
        "from tools.made_logs import write_pictures, write_video; logs = Path(sys.argv[1])\n"
        "write_pictures(logs, ['a.jpg', 'b.jpg']); write_video(logs, 'v.mp4', 'v', 5)\n"
        "from of3.runtime.commands.report import main; sys.exit(main(sys.argv[1:]))"
    )
    assert watched("-c", code, tmp_path / "logs", said="written") == ([], [])


@pytest.mark.long
def test_doctor_and_build(watched, bundle_copy):
    assert watched("-c", OF3, "doctor", "--bundle", bundle_copy, said="verdict") == ([], [])
    pytest.importorskip("tensorrt_rtx", reason="what builds")
    words = ["build", "--bundle", bundle_copy, "--compute_capability", "8.6", "--precision", "fp16"]
    assert watched("-c", OF3, *words) == ([], [])
    assert list(bundle_copy.rglob("*.plan"))


def test_fetching_looks_for_the_server_it_is_told_and_no_other(watched, tmp_path):
    pytest.importorskip("huggingface_hub", reason="an extra")
    words = ["fetch-weights", "--of3_root", tmp_path / "root", "--accept_license"]
    left, looked_for = watched("-c", OF3, *words, "--endpoint", "http://weights.example.org")
    assert left == []
    assert looked_for and {line.split()[1] for line in looked_for} == {"weights.example.org"}


@pytest.mark.long
def test_setting_up_leaves_what_it_makes_in_the_openface_folder(watched, tmp_path):
    words = ["--of3_root", tmp_path / "root", "--accept_license", "--pip=--no-index"]
    code = "import sys; from of3.export.setup import main; sys.exit(main(sys.argv[1:]))"
    left, looked_for = watched("-c", code, *words, said="pip did not install it")
    # pip asks rustc for its version, where there is one.
    assert {Path(path).parts[0] for path in left} <= {".rustup"}
    assert looked_for == []
    assert [path.name for path in (tmp_path / "root").iterdir()] == [".of3_setup"]


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
