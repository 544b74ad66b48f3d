"""What is installed to run engines with, and what of it gets in its own way."""

import platform
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from of3.engines import cuda, plugins, providers
from of3.engines.base import EngineUnavailable
from of3.engines.trt import libraries
from of3.engines.trt.plan_file import cuda_major_of

# Four distributions of one module, cv2: the last that was installed has written over the others' files, and one
# that is uninstalled takes the others' files with it.
OPENCV = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
OPENCV_REMEDY = f"pip uninstall -y {' '.join(OPENCV)}, then pip install opencv-python-headless"
PACKAGES = (
    "numpy",
    *OPENCV,
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-ep-openvino",
    "tensorrt",
    "tensorrt-rtx-cu13",
    "cuda-bindings",
    "torch",
    "av",
    "pylsl",
)


def packages() -> dict[str, str]:
    """Versions of the packages that matter here and are installed, and of the OpenCV that is imported."""
    found = {"of3": version("of3"), "python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    with suppress(ImportError):
        found["cv2"] = opencv_version()
    return found


def opencv_version() -> str:
    """Of the OpenCV that is imported.  Raises ImportError with the remedy: none is there, or not all of it."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError(f"OpenCV cannot be imported ({error}): {OPENCV_REMEDY}") from error
    # Of a module whose files are gone a folder may stay, which Python imports as a namespace of nothing.
    if not hasattr(cv2, "imdecode"):
        raise ImportError(f"OpenCV is not whole, cv2 has no imdecode (after an uninstall?): {OPENCV_REMEDY}")
    return str(cv2.__version__)


def _opencv_conflicts(installed: Mapping[str, str]) -> Iterator[str]:
    several = [f"{name} {installed[name]}" for name in OPENCV if name in installed]
    try:
        imported = opencv_version()
    except ImportError as error:
        yield str(error)
        return
    if len(several) > 1:
        said = f"{' and '.join(several)} are installed and overwrite each other's files"
        yield f"{said}, imported is OpenCV {imported}: {OPENCV_REMEDY}"
    elif several and imported.split("-")[0] not in several[0]:  # another's files are in its place
        yield f"{several[0]} is installed, imported is OpenCV {imported}: {OPENCV_REMEDY}"


def conflicts() -> list[str]:
    """Installations that break each other, each with its remedy."""
    installed = packages()
    said = list(_opencv_conflicts(installed))
    if "onnxruntime" in installed and "onnxruntime-gpu" in installed:
        said.append(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files: "
            "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install the one of 'of3[cpu]' or 'of3[gpu]'"
        )
    bound = int(installed.get("cuda-bindings", "0").split(".")[0])
    # By their metadata: importing one takes 100 MB, and reading every package's 0.1 s of each start.
    for library in filter(find_spec, libraries.LIBRARIES):
        needed = cuda_major_of(library)
        if needed and bound and needed != bound:
            said.append(
                f"{library} is made for CUDA {needed}, cuda-bindings for CUDA {bound}: "
                f"pip install 'cuda-bindings=={needed}.*'"
            )
    return said


def describe_gpu() -> str:
    """The GPU, or why there is none to be used."""
    try:
        gpu = cuda.find_gpu()
    except EngineUnavailable as error:
        return f"none: {error}"
    driver = ".".join(str(part) for part in cuda.driver_version())
    size = f"{gpu.memory_bytes / 2**30:.0f} GiB"
    return f"{gpu.name}, compute capability {gpu.compute_capability}, {size}, driver for CUDA {driver}"


def describe_providers() -> str:
    """onnxruntime's providers, and whether CUDA's has its libraries."""
    try:
        onnxruntime = providers.import_onnxruntime()
    except EngineUnavailable as error:
        return f"none: {error}"
    there = onnxruntime.get_available_providers()
    said = ", ".join(there)
    if providers.PROVIDERS["cuda"] in there:
        missing = providers.missing_cuda_libraries()
        said += f"; CUDA libraries not found: {', '.join(missing)}" if missing else "; CUDA libraries found"
    return said


def describe_plugins() -> Iterator[str]:
    """Every plugin of onnxruntime that is installed, and the devices that it offers here."""
    for plugin in plugins.installed():
        named = f"{plugin.package} {version(plugin.package)}"
        try:
            offered = ", ".join(map(plugins.described, plugins.devices_of(plugin)))
        except EngineUnavailable as error:
            yield f"{error}"
            continue
        yield f"{named}: {offered or 'no device of this machine'}"


def describe_tensorrt() -> str:
    """The TensorRT libraries, or how to install one."""
    found = libraries.installed()
    return ", ".join(f"{name} {release}" for name, release in found.items()) or f"none: {libraries.INSTALL}"
