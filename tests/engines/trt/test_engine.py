"""What of the TensorRT engine can be tried without a GPU: names, choices of plans, shapes."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from of3.engines import host
from of3.engines.base import EngineUnavailable
from of3.engines.manifest import read_bundle
from of3.engines.trt import choice, libraries
from of3.engines.trt import engine as trt
from of3.engines.trt.build import profile_of
from of3.engines.trt.plan_file import TensorCard

REPOSITORY = Path(__file__).resolve().parents[3]
# Which of TensorRT's classes a variable of our sources is; "" is the module itself.
CLASSES = {
    "engines/trt/engine.py": {
        "trt": "",
        "runtime": "Runtime",
        "engine": "ICudaEngine",
    },
    "engines/trt/kernels.py": {
        "trt": "",
        "_trt": "",
        "engine": "ICudaEngine",
        "_engine": "ICudaEngine",
        "config": "IRuntimeConfig",
        "_cache": "IRuntimeCache",
        "cache": "IRuntimeCache",
        "compiled": "DynamicShapesKernelSpecializationStrategy",
    },
    "engines/trt/context.py": {
        "engine": "ICudaEngine",
        "context": "IExecutionContext",
        "_context": "IExecutionContext",
    },
    "engines/trt/build.py": {
        "library": "",
        "builder": "Builder",
        "network": "INetworkDefinition",
        "parser": "OnnxParser",
        "error": "ParserError",
        "config": "IBuilderConfig",
        "_config": "IBuilderConfig",
        "profile": "IOptimizationProfile",
        "tensor": "ITensor",
        "serialized": "IHostMemory",
        "cache": "ITimingCache",
    },
    "runtime/commands/build.py": {"library": ""},
}
RTX_ONLY = {
    "EngineValidity",
    "EngineValidity.INVALID",
    "Runtime.get_engine_validity",
    "ComputeCapability",
    "ComputeCapability.__members__",
    "IBuilderConfig.num_compute_capabilities",
    "IBuilderConfig.set_compute_capability",
    "BuilderFlag.REQUIRE_USER_ALLOCATION",
    "ICudaEngine.create_runtime_config",
    "DynamicShapesKernelSpecializationStrategy",
    "DynamicShapesKernelSpecializationStrategy.EAGER",
    "DynamicShapesKernelSpecializationStrategy.NONE",
    "IRuntimeCache.deserialize",
    "IRuntimeCache.serialize",
    "IRuntimeConfig.create_runtime_cache",
    "IRuntimeConfig.dynamic_shapes_kernel_specialization_strategy",
    "IRuntimeConfig.set_execution_context_allocation_strategy",
    "IRuntimeConfig.set_runtime_cache",
}
STUBS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)


def base_of(node):
    """The variable an attribute is taken of: `x.y` -> x, `self._x.y` -> _x."""
    if isinstance(node, ast.Name):
        return node.id
    is_own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    return node.attr if is_own else None


def names_used():
    """TensorRT names our sources use, as `Class.attribute` or `attribute` of the module."""
    for file, classes in CLASSES.items():
        for node in ast.walk(ast.parse((REPOSITORY / file).read_text())):
            if not isinstance(node, ast.Attribute):
                continue
            base = base_of(node.value)
            if base in classes:
                yield f"{classes[base]}.{node.attr}".lstrip(".")
            inner = node.value
            if isinstance(inner, ast.Attribute) and classes.get(base_of(inner.value)) == "":
                yield f"{inner.attr}.{node.attr}"


NAMES = sorted(set(names_used()))


def test_the_names_were_found():
    assert len(NAMES) > 50
    assert {
        "IExecutionContext.execute_async_v3",
        "IExecutionContext.set_input_shape",
        "BuilderFlag.TF32",
        "NetworkDefinitionCreationFlag.STRONGLY_TYPED",
        "ParserError.node_name",
        "Runtime.engine_host_code_allowed",
        *RTX_ONLY,
    } <= set(NAMES)


def lacking(module, names):
    """Names a TensorRT module does not have."""
    missing = []
    for name in names:
        found = module
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is None:
            missing.append(name)
    return missing


def test_tensorrt_rtx_has_every_name():
    module = pytest.importorskip("tensorrt_rtx", reason="the extra rtx is not installed")
    assert lacking(module, NAMES) == []


@pytest.mark.parametrize("major", [10, 11])
def test_the_real_binding_modules_of_tensorrt_have_every_name(major, tmp_path):
    """Loaded with empty functions in the place of the libraries, which PyPI does not have."""
    bindings = Path(os.environ.get("OF3_TENSORRT_BINDINGS", "")) / str(major)
    if not (bindings / "tensorrt_bindings").exists():
        pytest.skip(f"OF3_TENSORRT_BINDINGS holds no {major}/tensorrt_bindings: tools/check puts them there")
    compiler = shutil.which("cc")
    assert compiler, "cc is needed to make the empty libraries"
    for library in ("nvinfer", "nvinfer_plugin", "nvonnxparser"):
        names = STUBS if library == "nvinfer" else ()
        source = tmp_path / f"{library}.c"
        source.write_text("".join(f"void {name}(void) {{}}\n" for name in names))
        target = tmp_path / f"lib{library}.so.{major}"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", target, source], check=True)
    code = (
        "import json, sys, tensorrt_bindings as module\n"
        "from pathlib import Path\n"
        f"exec({lacking_source()!r})\n"
        "print(json.dumps([module.__version__, lacking(module, json.loads(sys.argv[1]))]))"
    )
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "PYTHONPATH": str(bindings)}
    wanted = json.dumps([name for name in NAMES if name not in RTX_ONLY])
    done = subprocess.run(
        [sys.executable, "-c", code, wanted], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    version, missing = json.loads(done.stdout)
    assert version.startswith(f"{major}.")
    assert missing == []


def lacking_source():
    tree = ast.parse(Path(__file__).read_text())
    (function,) = (node for node in tree.body if getattr(node, "name", "") == "lacking")
    return ast.unparse(function)


@pytest.mark.parametrize(
    ("most", "sizes"), [(1, [1]), (8, [1, 2, 4, 8]), (12, [1, 2, 4, 8, 12]), (32, [1, 2, 4, 8, 16, 32])]
)
def test_buckets_are_powers_of_two_and_the_largest(most, sizes):
    assert trt.buckets(most) == sizes


def ends(shape=(-1, 8), dtype="FLOAT", name="au"):
    return [TensorCard("image", True, "FLOAT", (-1, 3, 224, 224)), TensorCard(name, False, dtype, shape)]


def test_ends_are_compared_by_name_type_and_shape():
    assert trt.same_ends(ends(), ends()[::-1])
    assert trt.same_ends(ends((-1, 8)), ends((-1, -1)))
    assert not trt.same_ends(ends(), ends(dtype="HALF"))
    assert not trt.same_ends(ends(), ends(name="gaze"))
    assert not trt.same_ends(ends(), ends((-1, 9)))
    assert not trt.same_ends(ends(), ends((-1, 8, 1)))
    assert not trt.same_ends(ends(), ends()[:1])


def test_the_ends_of_a_plan_are_those_of_the_card(bundle_folder):
    found = trt.ends_of(read_bundle(bundle_folder).model("detector"))
    assert found[0] == TensorCard("image", True, "FLOAT", (-1, 3, -1, -1))
    assert found[1] == TensorCard("loc", False, "FLOAT", (-1, -1, 4))
    assert [end.name for end in found] == ["image", "loc", "conf", "landms"]


@pytest.mark.skipif(host.has_nvidia_device(), reason="this machine has a GPU")
def test_without_a_library_or_a_gpu_the_remedy_is_named(bundle_folder):
    said = "no NVIDIA GPU here" if libraries.installed() else r"of3\[rtx\]"
    with pytest.raises(EngineUnavailable, match=said):
        choice.open_best(read_bundle(bundle_folder), "detector", "fp32", tf32=False)


@pytest.mark.parametrize(
    ("height", "width"), [(3024, 4032), (4032, 3024), (3840, 2160), (2160, 3840), (4096, 4096), (32, 32)]
)
def test_pictures_of_telephones_and_4k_lie_or_stand_within_the_detectors_plan(bundle_folder, height, width):
    profile = profile_of(read_bundle(bundle_folder).model("detector"), 32)
    assert all(
        low <= side <= high
        for low, side, high in zip(profile["min"], (1, 3, height, width), profile["max"], strict=True)
    )
