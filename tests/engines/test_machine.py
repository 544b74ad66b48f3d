import os
import subprocess
import sys
from importlib.metadata import version

import cv2
import pytest

from of3.engines import host, machine


def run_with_packages(folder, names, code):
    """Run `code` where these packages, by their metadata, are installed besides."""
    for name in names:
        info = folder / f"{name.replace('-', '_')}-9.9.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")
    path = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_both_onnxruntime_wheels_are_a_conflict_with_a_remedy(tmp_path):
    code = "from of3.engines import machine; print(machine.conflicts())"
    said = run_with_packages(tmp_path, ["onnxruntime", "onnxruntime-gpu"], code)
    assert "onnxruntime and onnxruntime-gpu are both installed" in said
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in said


CONFLICTS = "from of3.engines import machine; print(machine.conflicts())"
OTHERS = ["opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless"]


@pytest.mark.parametrize("others", [[name] for name in OTHERS] + [OTHERS])
def test_several_opencv_wheels_are_a_conflict_that_names_all_and_what_is_imported(tmp_path, others):
    said = run_with_packages(tmp_path, others, CONFLICTS)
    for name in ("opencv-python-headless", *others):
        assert f"{name} {'9.9' if name in others else version(name)}" in said
    assert f"imported is OpenCV {cv2.__version__}" in said
    assert "pip uninstall -y opencv-python opencv-python-headless opencv-contrib-python" in said
    assert "then pip install opencv-python-headless" in said


def test_every_opencv_wheel_is_recorded_and_what_is_imported(tmp_path):
    said = run_with_packages(tmp_path, OTHERS, "from of3.engines import machine; print(machine.packages())")
    for name in OTHERS:
        assert f"'{name}': '9.9'" in said
    assert machine.packages()["cv2"] == cv2.__version__


def test_anothers_opencv_in_the_place_of_the_installed_one_is_a_conflict(tmp_path):
    """What a wheel that was uninstalled has left, or a folder that comes before it on the path."""
    (tmp_path / "cv2.py").write_text("__version__ = '4.1.2'\nimdecode = None\n")
    said = run_with_packages(tmp_path, [], CONFLICTS)
    assert (
        f"opencv-python-headless {version('opencv-python-headless')} is installed, imported is OpenCV 4.1.2"
        in said
    )


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("sys.modules['cv2'] = types.ModuleType('cv2')", "OpenCV is not whole, cv2 has no imdecode"),
        ("sys.modules['cv2'] = None", "OpenCV cannot be imported"),
    ],
)
@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("run --aligned {root}/images --logs {logs} --of3_root {root}", 2),
        ("run --aligned {root}/images --logs {logs} --of3_root {root} --executor local", 2),
        ("export --of3_root {root}", 2),
        ("doctor", 1),
    ],
)
def test_half_an_opencv_is_one_line_with_the_remedy(standin_root, tmp_path, broken, said, command, status):
    code = f"import sys, types; {broken}; from of3.runtime.commands.cli import main; sys.exit(main())"
    words = command.format(root=standin_root, logs=tmp_path).split()
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == status
    (line,) = (line for line in (done.stdout + done.stderr).splitlines() if "OpenCV" in line)
    assert said in line
    assert "pip uninstall -y opencv-python" in line
    assert "Traceback" not in done.stderr


def test_one_wheel_is_none():
    assert not any("both installed" in said for said in machine.conflicts())


def test_the_packages_that_matter_are_told_with_their_versions(tmp_path):
    code = "from of3.engines import machine; print(machine.packages()['tensorrt'])"
    assert run_with_packages(tmp_path, ["tensorrt"], code).strip() == "9.9"
    assert {"of3", "python", "numpy"} <= set(machine.packages())


@pytest.mark.skipif(host.has_nvidia_device(), reason="this machine has a GPU")
def test_without_a_gpu_that_is_said():
    assert machine.describe_gpu() == "none: no NVIDIA GPU here"
    assert "CPUExecutionProvider" in machine.describe_providers()


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": "250000 100000"}, 3),
        ({"cpu.max": "10000 100000"}, 1),
        ({"cpu.max": "6400000 100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4),
    ],
)
def test_a_container_has_the_cores_it_has_time_for(tmp_path, monkeypatch, files, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    groups_of(tmp_path, files)
    assert host.cores(tmp_path) == cores


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_a_container_has_the_memory_it_may_take(tmp_path, name):
    there = host.memory_bytes(tmp_path)
    groups_of(tmp_path, {name: str(1 << 20)})
    assert host.memory_bytes(tmp_path) == 1 << 20
    groups_of(tmp_path, {name: "max" if name == "memory.max" else str(2**63 - 4096)})
    assert host.memory_bytes(tmp_path) == pytest.approx(there, rel=0.2)


def groups_of(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content + "\n")


def test_as_many_processes_as_there_is_memory_for():
    assert host.room_for(8, 10, 45) == 4
    assert host.room_for(8, 10, 5) == 1
    assert host.room_for(8, 10, 500) == 8
    assert host.room_for(8, 10, None) == 8
