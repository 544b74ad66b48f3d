"""What is handed out beside the wheel: images and how to cite."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from of3.runtime.commands.flags import parse

REPOSITORY = Path(__file__).resolve().parents[1]
DOCKERFILES = sorted((REPOSITORY / "docker").glob("Dockerfile.*"))


@pytest.fixture(scope="module")
def setup_cfg():
    read = configparser.ConfigParser()
    read.read(REPOSITORY / "setup.cfg", "utf-8")
    return read


def test_the_version_to_cite_is_the_packages_own(setup_cfg):
    (version,) = re.findall(r"^version: (.+)$", (REPOSITORY / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    assert version == setup_cfg["metadata"]["version"]


def test_an_image_is_built_of_all_that_the_wheel_is_and_of_no_weights(setup_cfg):
    lines = (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines()
    folders = {
        line.partition("=")[2].strip() for line in setup_cfg["options"]["package_dir"].strip().splitlines()
    }
    files = {"setup.cfg", "pyproject.toml", "README.md", *setup_cfg["metadata"]["license_files"].split()}
    taken = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert taken == {
        path for path in folders | files if path.split("/")[0] == path or path.split("/")[0] not in folders
    }
    assert {"*", "**/*.onnx", "**/*.plan", "**/*.pkl", "**/*.pth"} <= set(lines)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_installs_an_extra_that_there_is_and_runs_as_nobody(path, setup_cfg):
    text = path.read_text("utf-8")
    (extras,) = re.findall(r"^ARG EXTRAS=(.+)$", text, re.MULTILINE)
    assert set(extras.split(",")) <= set(setup_cfg["options.extras_require"])
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["10001:10001"]
    assert "HOME=/nonexistent" in text


def test_services_run_what_there_is_write_their_logs_only_and_reach_nobody():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    services = yaml.safe_load((REPOSITORY / "docker" / "compose.yaml").read_text("utf-8"))["services"]
    assert {service["build"]["dockerfile"] for service in services.values()} == {
        f"docker/{path.name}" for path in DOCKERFILES
    }
    for service in services.values():
        word, *flags = service["command"]
        command = parse(flags, f"of3 {word}")
        assert not command.missing
        assert (service["read_only"], service["network_mode"]) == (True, "none")
        writable = [volume["target"] for volume in service["volumes"] if not volume.get("read_only")]
        assert writable == [command.namespace.logs]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_finds_nothing(path):
    if shutil.which("hadolint") is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run(["hadolint", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
