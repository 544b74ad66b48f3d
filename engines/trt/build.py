"""A typed ONNX file -> a TensorRT plan beside the bundle.  Needs TensorRT; neither PyTorch nor onnx.

Always strongly typed: the graph's own types are the precision, which is all that TensorRT 11 and TensorRT
for RTX know, and what 10.8 and later are asked for.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from of3.engines import cuda
from of3.engines.base import EngineUnavailable
from of3.engines.bundle import Bundle, ModelCard
from of3.engines.errors import Error
from of3.engines.graph import read_graph
from of3.engines.trt import libraries, plan_file
from of3.engines.trt.plan_file import PlanCard, TensorCard

OLDEST = (10, 8)  # of `tensorrt`: the first whose strongly typed bf16 is complete
BF16_FROM = (8, 0)  # compute capability
# A free-sized model: height and width of its smallest, usual and largest input.  Square, so that a picture may
# stand or lie: 4032x3024 of a telephone and portrait 4K, 2160x3840, are within.  Its activations take 36 bytes
# for each pixel, here 0.6 GB, and only as much as the pictures that come need (the memory is given by shape).
FREE_SIDES_PX = {"min": (32, 32), "opt": (720, 1280), "max": (4096, 4096)}
FREE_BATCH = 1  # pictures come one by one: each has its own size
LOW_TYPES = {"fp16": "HALF", "bf16": "BF16"}
TIMING_CACHE = "timing.cache"
MAX_CACHE_BYTES = 1 << 28


class PlanError(Error):
    """A plan could not be built, and every reason the parser and the builder gave."""


@dataclass(frozen=True, slots=True)
class Target:
    """What plans are built for."""

    library: str  # "tensorrt" or "tensorrt_rtx"
    gpu: str  # its name, or ANY_GPU
    compute_capabilities: tuple[str, ...]
    max_batch: int
    tf32: bool

    @property
    def folder(self) -> str:
        """Name of the folder below plans/."""
        version = libraries.library(self.library).__version__
        gpu = re.sub(r"[^a-z0-9]+", "-", self.gpu.lower()).strip("-")
        sms = "+".join(f"sm{each.replace('.', '')}" for each in self.compute_capabilities)
        kind = "rtx" if self.library == "tensorrt_rtx" else "trt"
        return f"{gpu}-{sms}-{kind}{version}{'-tf32' if self.tf32 else ''}"


def find_target(library: str, compute_capabilities: Sequence[str], max_batch: int, tf32: bool) -> Target:
    """The target on this machine.  library: "" for the first that can be imported.

    Raises EngineUnavailable: no library, one too old, no GPU and no compute capability to build for.
    """
    if not library:
        library = libraries.first()
    version = str(libraries.library(library).__version__)
    if library == "tensorrt":
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            raise EngineUnavailable(f"got tensorrt {version}, want 10.8 or newer: update it")
        if compute_capabilities:
            raise EngineUnavailable(
                "tensorrt builds for the GPU at hand only: leave --compute_capability out, "
                "or pass --backend tensorrt_rtx"
            )
    gpu = "" if compute_capabilities else _gpu(library)
    asked = tuple(compute_capabilities) or (cuda.find_gpu().compute_capability,)
    if library == "tensorrt_rtx":
        known = [
            f"{name[2:-1]}.{name[-1]}" for name in _members(libraries.library(library)) if name[:2] == "SM"
        ]
        unknown = [each for each in asked if each not in known]
        if unknown:
            raise EngineUnavailable(
                f"got compute capability {', '.join(unknown)}, want some of {', '.join(known)}: "
                f"{library} {version} builds for no other"
            )
    return Target(library, gpu if library == "tensorrt" else plan_file.ANY_GPU, asked, max_batch, tf32)


def _gpu(library: str) -> str:
    """The GPU at hand.  Raises EngineUnavailable saying what can be built without one."""
    try:
        return cuda.find_gpu().name
    except EngineUnavailable as error:
        hint = "; without a GPU pass --compute_capability, e.g. 8.6" if library == "tensorrt_rtx" else ""
        raise EngineUnavailable(f"plans are built on the GPU that will run them: {error}{hint}") from error


def build(bundle: Bundle, model: str, precision: str, target: Target, monitor: Any = None) -> Path:
    """Build one plan and write it with its sidecar; the plan's path.

    monitor: a TensorRT IProgressMonitor.  Raises PlanError, BundleError, OSError.
    """
    card = bundle.model(model)
    folder = plan_folder(bundle.folder, target.folder)
    content, profile, tensors = build_plan(card, precision, target, folder, monitor)
    sidecar = PlanCard(
        model=model,
        precision=precision,
        tf32=target.tf32,
        library=target.library,
        version=str(libraries.library(target.library).__version__),
        cuda_major=plan_file.cuda_major_of(target.library),
        gpu=target.gpu,
        compute_capabilities=target.compute_capabilities,
        system=plan_file.system(),
        profile=profile,
        tensors=tensors,
        source_sha256=card.files[precision].sha256,
        plan_sha256=hashlib.sha256(content).hexdigest(),
        plan_bytes=len(content),
    )
    path = folder / f"{model}.{precision}.plan"
    plan_file.write_private(path, content)
    plan_file.write_private(path.with_suffix(".json"), plan_file.sidecar_text(sidecar).encode())
    return path


def check_bf16(target: Target) -> None:
    """Raises EngineUnavailable when the target cannot compute in bf16."""
    old = [each for each in target.compute_capabilities if capability(each) < BF16_FROM]
    if old:
        raise EngineUnavailable(
            f"bf16 needs compute capability 8.0 or newer, got {', '.join(old)}: pass --precision fp16"
        )


def capability(text: str) -> tuple[int, int]:
    """ "8.6" -> (8, 6).  Raises ValueError."""
    major, minor = text.split(".")
    return int(major), int(minor)


def build_plan(
    card: ModelCard, precision: str, target: Target, cache_folder: Path, monitor: Any
) -> tuple[bytes, Mapping[str, tuple[int, ...]], tuple[TensorCard, ...]]:
    """The plan, its input's profile, and its ends.  Raises PlanError."""
    library = libraries.library(target.library)
    messages = libraries.messages(target.library)
    messages.drain()
    builder = library.Builder(messages)
    network = parsed(library, builder, messages, card, precision)
    check_types(network, card.name, precision)
    config = builder.create_builder_config()
    set_flags(library, config, target, is_recorded=not card.input.is_free)
    if monitor is not None:
        config.progress_monitor = monitor
    shapes = profile_of(card, target.max_batch)
    profile = builder.create_optimization_profile()
    profile.set_shape(card.input.name, shapes["min"], shapes["opt"], shapes["max"])
    config.add_optimization_profile(profile)
    timings = _TimingCache(config, target, cache_folder / TIMING_CACHE)
    messages.drain()  # what it said of a stored cache is no reason for anything
    serialized = builder.build_serialized_network(network, config)
    if serialized is None or serialized.nbytes == 0:
        raise PlanError(f"{card.name} {precision}: TensorRT built nothing: {messages.drain()}")
    timings.write()
    return bytes(serialized), shapes, tuple(tensors_of(network))


def parsed(library: Any, builder: Any, messages: Any, card: ModelCard, precision: str) -> Any:
    """The bundle's ONNX file as a strongly typed network.  Raises PlanError naming the nodes refused."""
    strongly = 1 << int(library.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(strongly)
    parser = library.OnnxParser(network, messages)
    if parser.parse(read_graph(card.files[precision])):
        return network
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    said = [f"node {error.node_name()} ({error.node_operator()}): {error.desc()}" for error in errors]
    raise PlanError(f"{card.name} {precision}: not parsed: {'; '.join(said) or messages.drain()}")


def check_types(network: Any, model: str, precision: str) -> None:
    """Raises PlanError unless the network's layers compute in the types asked for."""
    layers = (network.get_layer(index) for index in range(network.num_layers))
    types = {layer.get_output(index).dtype.name for layer in layers for index in range(layer.num_outputs)}
    found = types & set(LOW_TYPES.values())
    want = {LOW_TYPES[precision]} if precision in LOW_TYPES else set()
    if found != want:
        raise PlanError(f"{model} {precision}: got layers in {sorted(found)}, want {sorted(want)}")


def tensors_of(network: Any) -> Iterator[TensorCard]:
    """The ends of a network that is not yet built."""
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    for tensor in (*inputs, *outputs):
        yield TensorCard(tensor.name, tensor.is_network_input, tensor.dtype.name, tuple(tensor.shape))


def profile_of(card: ModelCard, max_batch: int) -> dict[str, tuple[int, ...]]:
    """Smallest, usual and largest shape of a model's input."""
    _, channels, *sides = card.input.shape
    if card.input.is_free:
        return {name: (FREE_BATCH, int(channels), *each) for name, each in FREE_SIDES_PX.items()}
    most = {"min": 1, "opt": max_batch, "max": max_batch}
    return {name: (rows, int(channels), *map(int, sides)) for name, rows in most.items()}


def set_flags(library: Any, config: Any, target: Target, is_recorded: bool) -> None:
    """is_recorded: as a CUDA graph, which TensorRT for RTX wants to know of."""
    if target.tf32:
        config.set_flag(library.BuilderFlag.TF32)
    else:
        config.clear_flag(library.BuilderFlag.TF32)  # it is set by default
    if target.library == "tensorrt_rtx":
        if is_recorded:
            config.set_flag(library.BuilderFlag.REQUIRE_USER_ALLOCATION)
        config.num_compute_capabilities = len(target.compute_capabilities)
        for index, each in enumerate(target.compute_capabilities):
            member = _members(library)[f"SM{each.replace('.', '')}"]
            if not config.set_compute_capability(member, index):
                raise PlanError(f"tensorrt_rtx refused compute capability {each}")


def _members(library: Any) -> Mapping[str, Any]:
    """TensorRT for RTX's compute capabilities, by name: SM86."""
    members: Mapping[str, Any] = library.ComputeCapability.__members__
    return members


class _TimingCache:
    """What TensorRT measured of its kernels, kept for the next build.  TensorRT for RTX has none."""

    def __init__(self, config: Any, target: Target, path: Path):
        self._config = config if target.library == "tensorrt" else None
        self._path = path
        # One of another version or GPU is refused, and everything is measured anew.
        if self._config is not None and not self._use(self._stored()):
            self._use(b"")

    def _use(self, content: bytes) -> bool:
        assert self._config is not None
        cache = self._config.create_timing_cache(content)
        return cache is not None and bool(self._config.set_timing_cache(cache, False))

    def _stored(self) -> bytes:
        try:
            return plan_file.read_safely(self._path, MAX_CACHE_BYTES)
        except EngineUnavailable:
            return b""

    def write(self) -> None:
        cache = self._config.get_timing_cache() if self._config is not None else None
        if cache is not None:
            plan_file.write_private(self._path, bytes(cache.serialize()))


def plan_folder(bundle_folder: Path, name: str) -> Path:
    """`plans/<name>` in the bundle, made for its owner alone."""
    folder = bundle_folder / plan_file.PLANS / name
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, exist_ok=True)
    return folder
