"""Which worker has which GPU, and how many there are."""

import os
import subprocess

from of3.engines.host import has_nvidia_device, visible_gpus
from of3.runtime.commands.flags import parse
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.shards.local import LocalPool


def pool_of(*flags):
    required = ["--aligned", "a", "--logs", "b", "--of3_root", "c"]
    return LocalPool(parse([*required, *flags], "x").options(), Interruption(()))


def test_one_worker_a_gpu_before_anything_is_measured(monkeypatch, tmp_path):
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus(tmp_path) == ["0", "1", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,MIG-3a")
    assert visible_gpus(tmp_path) == ["5", "MIG-3a"]
    assert pool_of().size == 2
    assert pool_of("--device", "cpu").size >= 1
    assert pool_of("--workers", "7").size == 7
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_gpus(tmp_path) == []


def test_the_gpu_of_windows_is_one(monkeypatch, tmp_path):
    """WSL2 has no /dev/nvidia0: without this there would be a process a core on one GPU."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "dxg").touch()
    assert visible_gpus(tmp_path) == ["0"]
    assert has_nvidia_device(tmp_path)


NOTE = """
import os, sys

class Note:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            with open(os.path.join({place!r}, f"gpu.{{os.getpid()}}"), "w") as file:
                file.write(os.environ.get("CUDA_VISIBLE_DEVICES", ""))

sys.meta_path.insert(0, Note())
"""


def test_each_worker_sees_its_own_gpu_before_an_engine_is_loaded(aligned, standin_root, tmp_path, command):
    """Without a GPU the engines fall back, as in any run."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NOTE.format(place=str(tmp_path)))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "CUDA_VISIBLE_DEVICES": "3,5"}
    flags = ("--device", "cuda", "--executor", "local", "--shard_size", "2")
    words = command(aligned, standin_root, tmp_path / "logs", *flags)
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.read_text() for path in tmp_path.glob("gpu.*")) == ["3", "5"]
