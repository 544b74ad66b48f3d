"""A whole run on the stub of CUDA: see cuda_stub/behaviour.c."""

import hashlib
import json
import re

import numpy as np
import pytest

from of3.engines.host import cores
from of3.engines.manifest import MANIFEST
from of3.runtime.runs.shards import feed

# A run as short as this is worth no measuring, and two cores have room for one process a GPU.
RUN = """
import sys
from of3.runtime.commands.cli import main
from of3.runtime.runs.shards import feed

feed.WORTH_MEASURING, feed.CORES_EACH = 3, 1
sys.exit(main(sys.argv[1:]))
"""
WHY = re.compile(
    r"(?P<a_gpu>\d+) process(?:es)? a GPU(?: \((?P<wanted>\d+) would feed it, .+\))?: "
    r"its engine does (?P<engine>\d+) images/s, one process feeds it (?P<process>\d+)"
)


@pytest.fixture
def nothing(bundle_copy):
    """A bundle whose self-check wants what the stub's kernels do: nothing."""
    document = json.loads((bundle_copy / MANIFEST).read_text())
    for model in document["models"].values():
        check = model["self_check"]
        path = bundle_copy / check["path"]
        with np.load(path) as arrays:
            zeros = {name: arrays[name] if name == "pixels" else np.zeros_like(arrays[name]) for name in arrays}
        path.unlink()  # a hard link
        np.savez(path, **zeros)
        content = path.read_bytes()
        check.update(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    (bundle_copy / MANIFEST).write_text(json.dumps(document))
    return bundle_copy


@pytest.mark.parametrize("detect", [(), ("--skip_detect", "off")], ids=["crops", "detection"])
def test_a_gpu_gets_the_processes_that_its_measured_speed_asks_for(
    on_stub, nothing, standin_root, tmp_path, detect
):
    paths = {"aligned": standin_root / "images", "logs": tmp_path, "of3_root": standin_root, "bundle": nothing}
    words = [word for name, path in paths.items() for word in (f"--{name}", path)]
    flags = ("--device", "cuda", "--engine", "cuda", "--no_calib", "on", "--executor", "local", *detect)
    on_stub(RUN, "run", *words, *flags, CUDA_VISIBLE_DEVICES="0")
    told = json.loads((tmp_path / "openface3" / "run.json").read_text())
    assert {engine["kind"] for engine in told["engines"].values()} == {"cuda"}
    found = WHY.fullmatch(told["processes"]["why"])
    assert found is not None, told["processes"]
    engine, process = int(found["engine"]), int(found["process"])
    assert abs(int(found["wanted"] or found["a_gpu"]) - 0.9 * engine / process) < 1.1
    assert told["processes"]["at_once"] == int(found["a_gpu"])
    assert int(found["a_gpu"]) == min(int(found["wanted"] or found["a_gpu"]), cores(), feed.MOST_UNASKED)
    assert told["finished"]
