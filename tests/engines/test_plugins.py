"""Providers that come as a plugin: real packages on the path, libraries that a real onnxruntime takes in."""

import json
import shutil
import subprocess

import pytest

from of3.engines import host, machine, plugins
from of3.engines.base import CpuThreads, EngineUnavailable
from of3.engines.manifest import read_bundle
from of3.engines.open import Choice, open_engine
from of3.engines.registry import kind_named

# A plugin that knows no device: two functions, as onnxruntime_ep_c_api.h declares them.
NO_DEVICES = """
#include <stddef.h>
void *CreateEpFactories(const char *n, const void *b, const void *l, void **f, size_t most, size_t *count) {
    *count = 0; return NULL;
}
void *ReleaseEpFactory(void *factory) { return NULL; }
"""
HELPERS = "def get_library_path(): return {library!r}\ndef get_ep_names(): return ['Some']\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A plugin's package on the path, by its name and its module's text."""

    def made(name, text):
        folder = tmp_path / f"onnxruntime_ep_{name}"
        folder.mkdir()
        (folder / "__init__.py").write_text(text)
        metadata = tmp_path / f"onnxruntime_ep_{name}-1.5.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: onnxruntime-ep-{name}\nVersion: 1.5\n")
        monkeypatch.syspath_prepend(tmp_path)
        return plugins.untried(name)

    return made


def test_one_that_is_not_installed_is_refused_with_the_command_that_installs_it(bundle_folder):
    with pytest.raises(
        EngineUnavailable, match="plugin:nothing: not installed: pip install onnxruntime-ep-nothing"
    ):
        open_engine(
            read_bundle(bundle_folder),
            "detector",
            Choice("cuda", "plugin:nothing", require=True),
            CpuThreads(1),
        )


def test_the_extra_is_named_where_there_is_one():
    assert plugins.OPENVINO.install == "pip install 'of3[openvino]'"


def test_a_library_that_is_none_is_refused_in_onnxruntimes_words(package, tmp_path):
    (tmp_path / "lib.so").write_text("no library")
    plugin = package("textual", HELPERS.format(library=str(tmp_path / "lib.so")))
    with pytest.raises(EngineUnavailable, match=r"onnxruntime-ep-textual 1.5 cannot be loaded: .*lib.so"):
        plugins.check(plugin)


@pytest.mark.parametrize(("name", "text"), [("broken", "import no_such_module"), ("bare", "")])
def test_a_package_without_what_the_convention_asks_for_is_refused(package, name, text):
    with pytest.raises(EngineUnavailable, match=f"onnxruntime-ep-{name} 1.5 cannot be loaded: .*no"):
        plugins.check(package(name, text))


def test_one_that_knows_no_device_of_this_machine_is_refused_and_listed(package, tmp_path):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here")
    source, library = tmp_path / "none.c", tmp_path / "none.so"
    source.write_text(NO_DEVICES)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    plugin = package("deviceless", HELPERS.format(library=str(library)))
    with pytest.raises(EngineUnavailable, match=r"^deviceless 1\.5 offers no device of this machine$"):
        plugins.check(plugin)
    assert plugins.devices_of(plugin) == ()  # taken in once, asked twice
    assert "onnxruntime-ep-deviceless 1.5: no device of this machine" in list(machine.describe_plugins())


def test_openvino_is_told_one_run_a_thread_and_is_not_pinned():
    side_by_side = plugins.openvino_options("bf16", CpuThreads(1, parallel_runs=6))
    assert json.loads(side_by_side["load_config"]) == {
        "CPU": {
            "INFERENCE_PRECISION_HINT": "bf16",
            "INFERENCE_NUM_THREADS": "6",
            "NUM_STREAMS": "6",
            "ENABLE_CPU_PINNING": "NO",
        }
    }
    alone = json.loads(plugins.openvino_options("fp32", CpuThreads(0))["load_config"])["CPU"]
    assert alone["INFERENCE_PRECISION_HINT"] == "f32"
    assert (alone["INFERENCE_NUM_THREADS"], alone["NUM_STREAMS"]) == (str(host.cores()), "1")


def test_a_name_that_no_package_can_have_is_no_engine():
    for name in ("plugin:", "plugin:../x", "plugin:A", "plugin:a--b", "webgpu"):
        with pytest.raises(ValueError, match="want one of auto, tensorrt, cuda, openvino, cpu, plugin:NAME"):
            kind_named(name)
    assert kind_named("plugin:nv-tensorrt-rtx").note == "a plugin that we have not tried"


@pytest.fixture
def openvino():
    """Where OpenVINO is installed and knows the processor."""
    try:
        plugins.check(plugins.OPENVINO)
    except EngineUnavailable as error:
        pytest.skip(f"openvino does not open here: {error}")


def test_openvino_is_self_checked(openvino, bundle_copy):
    manifest = bundle_copy / "bundle.json"
    document = json.loads(manifest.read_text())
    document["models"]["multitask"]["input"]["mean"] = [0, 0, 0]
    manifest.write_text(json.dumps(document))
    with pytest.raises(EngineUnavailable, match="OpenVINO CPU fp32 fails the self-check of multitask"):
        open_engine(
            read_bundle(bundle_copy), "multitask", Choice("cpu", "openvino", require=True), CpuThreads(1)
        )


def test_openvino_without_bf16_in_the_processor_runs_fp32_and_says_so(openvino, bundle_folder):
    if host.has_bf16():
        pytest.skip("this processor has bf16")
    choice = Choice("cpu", "openvino", precision="bf16")
    engine = open_engine(read_bundle(bundle_folder), "detector", choice, CpuThreads(1))
    assert (engine.kind.name, engine.precision) == ("openvino", "fp32")
    assert "bf16 wants a processor with AMX" in engine.refusals[0].reason
    engine.close()


@pytest.mark.parametrize("model", ["detector", "multitask", "landmarks"])
def test_what_openvino_makes_of_bf16_keeps_the_bounds_with_its_head_in_fp32(openvino, bundle_folder, model):
    """On a processor without bf16 it computes fp32 whatever it is told; the halves are the same."""
    engine = plugins.opened(plugins.OPENVINO, read_bundle(bundle_folder), model, "bf16", CpuThreads(1))
    assert "OpenVINO CPU bf16" in engine.name
    assert engine.name.endswith("its head in fp32") == (model != "detector")
    engine.close()
