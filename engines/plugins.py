"""onnxruntime providers that come as a plugin: a package with a library that a plain onnxruntime takes in.

By convention the package `onnxruntime-ep-NAME` has a module `onnxruntime_ep_NAME` with `get_library_path` and
`get_ep_names`.
"""

import importlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version
from typing import Any

from of3.engines import host, joined, selfcheck
from of3.engines.base import CpuThreads, Engine, EngineUnavailable
from of3.engines.bundle import Bundle
from of3.engines.ort import OrtEngine
from of3.engines.providers import Provider, engine_errors, import_onnxruntime

PACKAGE = "onnxruntime-ep-"
DEVICES = ("GPU", "NPU", "CPU")  # kinds of device, as onnxruntime names them; the best first

Options = Callable[[str, CpuThreads], Mapping[str, str]]  # precision, threads -> what the provider is told


@dataclass(frozen=True, slots=True)
class Plugin:
    """A provider's package, and how it is opened.

    devices: kinds of device, the best first.  session: entries of a session's configuration.  install: the
    command that brings it.
    """

    name: str
    label: str  # as logged
    devices: tuple[str, ...]
    options: Options
    session: Mapping[str, str]
    install: str

    @property
    def package(self) -> str:
        return PACKAGE + self.name


def openvino_options(precision: str, threads: CpuThreads) -> dict[str, str]:
    """Runs side by side, a stream each, as `OrtEngine` has them on the CPU.

    Threads stay unpinned: OpenVINO pins from the first core on, and processes side by side would share it.
    """
    cpu = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": str((threads.count or host.cores()) * threads.parallel_runs),
        "NUM_STREAMS": str(threads.parallel_runs),
        "ENABLE_CPU_PINNING": "NO",
    }
    return {"load_config": json.dumps({"CPU": cpu})}


# It takes every node of our networks; one that it left would go to onnxruntime's CPU provider in silence.
WHOLE = {"session.disable_cpu_ep_fallback": "1"}
OPENVINO = Plugin("openvino", "OpenVINO", ("CPU",), openvino_options, WHOLE, "pip install 'of3[openvino]'")


def own_options(_: str, __: CpuThreads) -> dict[str, str]:
    return {}


def untried(name: str) -> Plugin:
    """One that we have not met: opened with its own defaults, judged by the self-check."""
    return Plugin(name, name, DEVICES, own_options, {}, f"pip install {PACKAGE}{name}")


def installed() -> list[Plugin]:
    """Every plugin that is installed, by its package's name."""
    found = {re.sub(r"[-_.]+", "-", str(each.name)).lower() for each in distributions()}
    names = sorted(package.removeprefix(PACKAGE) for package in found if package.startswith(PACKAGE))
    return [OPENVINO if name == OPENVINO.name else untried(name) for name in names]


def check_installed(plugin: Plugin) -> str:
    """Its package's version.  Raises EngineUnavailable with the command that installs it."""
    try:
        return version(plugin.package)
    except PackageNotFoundError as error:
        raise EngineUnavailable(f"not installed: {plugin.install}") from error


def devices_of(plugin: Plugin) -> tuple[Any, ...]:
    """What it offers here, as onnxruntime lists it.  Raises EngineUnavailable: not installed, or broken."""
    release = check_installed(plugin)
    onnxruntime = import_onnxruntime()
    if not hasattr(onnxruntime, "register_execution_provider_library"):
        raise EngineUnavailable(
            f"onnxruntime {onnxruntime.__version__} takes no plugins: pip install -U 'onnxruntime>=1.23'"
        )
    broken: tuple[type[Exception], ...] = (ImportError, AttributeError, OSError, *engine_errors(onnxruntime))
    try:
        names = _registered(plugin.package)
    except broken as error:
        raise EngineUnavailable(f"{plugin.package} {release} cannot be loaded: {error}") from error
    return tuple(device for device in onnxruntime.get_ep_devices() if device.ep_name in names)


@cache
def _registered(package: str) -> frozenset[str]:
    """The providers of a package whose library onnxruntime has taken in, which it does once a process."""
    module = importlib.import_module(package.replace("-", "_"))
    import_onnxruntime().register_execution_provider_library(package, module.get_library_path())
    return frozenset(module.get_ep_names())


def kind_of(device: Any) -> str:
    """ "CPU", "GPU" or "NPU"."""
    return str(device.device.type.name)


def described(device: Any) -> str:
    """A device in words: "CPU (Intel(R) Xeon(R) ...)"."""
    name = device.ep_metadata.get("FULL_DEVICE_NAME") or device.device.vendor
    return f"{kind_of(device)} ({name})"


def best_device(plugin: Plugin) -> Any:
    """The first device of the kinds it is opened on.  Raises EngineUnavailable where it offers none."""
    offered = devices_of(plugin)
    for kind in plugin.devices:
        for device in offered:
            if kind_of(device) == kind:
                return device
    there = ", ".join(map(described, offered)) or "no device of this machine"
    raise EngineUnavailable(f"{plugin.label} {version(plugin.package)} offers {there}")


def check(plugin: Plugin) -> None:
    """Raises EngineUnavailable unless it is installed and offers a device."""
    best_device(plugin)


def check_bf16() -> None:
    """Raises EngineUnavailable where the processor would but imitate bf16, slower than it computes fp32."""
    if not host.has_bf16():
        raise EngineUnavailable("bf16 wants a processor with AMX or AVX512-BF16")


def opened(plugin: Plugin, bundle: Bundle, model: str, precision: str, threads: CpuThreads) -> Engine:
    """`model` on the plugin's best device, self-checked.

    It is fed fp32 graphs whatever the precision; in another than fp32 not what must stay fp32.  Raises
    EngineUnavailable, and BundleError as `OrtEngine` does.
    """
    card = bundle.model(model)
    if precision not in card.files:
        raise EngineUnavailable(card.lacks(precision))
    if precision == "fp32":
        engine: Engine = _on_device(plugin, bundle, model, precision, threads)
    else:
        body = joined.body_of(bundle, model, precision)
        engine = joined.completed(bundle, model, _on_device(plugin, body, model, precision, threads), threads)
    selfcheck.accept(engine, card, precision, [1])
    return engine


def _on_device(plugin: Plugin, bundle: Bundle, model: str, precision: str, threads: CpuThreads) -> OrtEngine:
    device = best_device(plugin)
    provider = Provider(
        name=device.ep_name,
        label=f"{plugin.label} {kind_of(device)}",
        options=plugin.options(precision, threads),
        devices=(device,),
        session=plugin.session,
    )
    where = kind_of(device).lower()
    return OrtEngine(bundle, model, where, precision, threads, provider=provider)
