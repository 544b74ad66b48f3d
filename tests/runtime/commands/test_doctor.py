import json
import shutil
import subprocess
import sys

import pytest

from of3.engines import host, speeds
from of3.engines.base import EngineUnavailable
from of3.engines.manifest import read_bundle
from of3.engines.registry import OPENVINO
from of3.engines.trt import plan_file as plan
from of3.runtime.commands.doctor import main, plan_states

no_gpu = pytest.mark.skipif(host.has_nvidia_device(), reason="this machine has a GPU")


@no_gpu
def test_one_screen_with_every_engine_of_every_model(bundle_copy, capsys):
    assert main(["--bundle", str(bundle_copy)]) == 0
    said = capsys.readouterr().out
    for topic in ("of3 ", "packages", "GPU", "providers", "TensorRT", "writable", "bundle", "gaze", "plan"):
        assert f"\n{topic}" in f"\n{said}"
    assert "numpy" in said
    assert "STAND-IN WEIGHTS" in said
    for model in ("detector", "multitask", "landmarks"):
        (line,) = (line for line in said.splitlines() if line.strip().startswith(f"{model} on cpu"))
        assert "images/s at batch 8; on 10 pictures from fp32: " in line
    assert said.count("no NVIDIA GPU here") >= 2 and "uninstall" not in said
    assert " on openvino " in said
    assert "cpu, the preferred engine, runs" in said
    assert len(said.splitlines()) < 40


@no_gpu
@pytest.mark.parametrize("engine", ["tensorrt", "cuda"])
def test_a_preferred_engine_that_does_not_run_is_exit_1(bundle_copy, engine, capsys):
    assert main(["--bundle", str(bundle_copy), "--engine", engine]) == 1
    assert f"{engine}, the preferred engine, DOES NOT RUN" in capsys.readouterr().out
    assert main(["--engine", engine]) == 1


@no_gpu
def test_without_a_bundle_packages_and_gpu_are_told(capsys):
    assert main([]) == 0
    assert "pass --bundle DIR" in capsys.readouterr().out


def test_a_bundle_that_is_none_is_exit_1(tmp_path, capsys):
    assert main(["--bundle", str(tmp_path)]) == 1
    assert "No such file" in capsys.readouterr().out


def test_an_engine_that_computes_something_else_is_exit_1(bundle_copy, capsys):
    """A card that feeds the network other numbers than it was exported for."""
    manifest = bundle_copy / "bundle.json"
    document = json.loads(manifest.read_text())
    document["models"]["multitask"]["input"]["mean"] = [0, 0, 0]
    manifest.write_text(json.dumps(document))
    assert main(["--bundle", str(bundle_copy), "--engine", "cpu"]) == 1
    assert "fails the self-check of multitask: emotion_logits differs" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_said(tmp_path, capsys):
    (tmp_path / "file").touch()
    main(["--logs", str(tmp_path / "file")])
    assert f"{tmp_path / 'file'}: NO" in capsys.readouterr().out


def test_plans_are_listed_with_what_is_wrong(bundle_copy):
    folder = bundle_copy / "plans" / "gpu"
    folder.mkdir(parents=True, mode=0o700)
    folder.parent.chmod(0o700)
    bundle_copy.chmod(0o755)
    (folder / "detector.fp16.json").write_text("{}")
    (folder / "detector.fp16.json").chmod(0o600)
    (line,) = plan_states(read_bundle(bundle_copy))
    assert line.startswith("gpu/detector.fp16: REFUSED: ")
    assert plan.rebuild() in line
    shutil.rmtree(folder.parent)
    (line,) = plan_states(read_bundle(bundle_copy))
    assert "of3 build" in line


def test_the_faster_engine_of_the_cpu_is_measured_and_kept(bundle_copy, capsys):
    try:
        OPENVINO.check()
    except EngineUnavailable as error:
        pytest.skip(f"openvino does not open here: {error}")
    assert main(["--bundle", str(bundle_copy), "--engine", "openvino"]) == 0
    said = capsys.readouterr().out
    assert "\nplugin     onnxruntime-ep-openvino " in said
    (line,) = (line for line in said.splitlines() if line.startswith("fastest"))
    path = speeds.path_of(read_bundle(bundle_copy))
    assert line.endswith(f"kept in {path}")
    rates = json.loads(path.read_text())["images_per_s"]
    assert set(rates) == {"detector", "multitask", "landmarks"}
    assert all(set(rate) == {"openvino", "cpu"} for rate in rates.values())


def test_a_machine_without_a_temporary_folder_is_told_how_to_have_one():
    """As on a read-only root: no byte can be written to any file, so that none is usable."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "from of3.runtime.commands.doctor import main; main([])"
    )
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False)
    assert "NO temporary folder" in done.stdout
    assert "TMPDIR" in done.stdout
    assert done.stderr == ""
