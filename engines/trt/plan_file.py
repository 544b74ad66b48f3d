"""A TensorRT plan on disk, and its sidecar: what is checked before a plan is opened.

A plan is executable code for one GPU, one TensorRT and one set of weights.  It is only ever built locally
(`of3 build`), kept where nobody else can write, and refused when anything about it is not as written down.
"""

import hashlib
import json
import os
import platform
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from of3.engines.base import EngineUnavailable
from of3.engines.bundle import BundleError
from of3.engines.field import Field

PLANS = "plans"
FORMAT = "of3-plan"
REVISION = 1
ANY_GPU = "any"  # built for compute capabilities, without a GPU at hand
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
MAX_SIDECAR_BYTES = 1 << 20
MAX_PLAN_BYTES = 4 << 30
MAX_SIDE = 1 << 24


@dataclass(frozen=True, slots=True)
class TensorCard:
    """One end of a plan.  -1: a free dimension."""

    name: str
    is_input: bool
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlanCard:
    """What a plan was made of and for: its sidecar."""

    model: str
    precision: str
    tf32: bool
    library: str  # "tensorrt" or "tensorrt_rtx"
    version: str  # exact: plans of another are not compatible
    cuda_major: int
    gpu: str  # its name, or ANY_GPU
    compute_capabilities: tuple[str, ...]
    system: str  # "Linux x86_64"
    profile: Mapping[str, tuple[int, ...]]  # "min", "opt", "max" shapes of the input
    tensors: tuple[TensorCard, ...]
    source_sha256: str  # of the ONNX file
    plan_sha256: str
    plan_bytes: int

    @property
    def max_batch(self) -> int:
        return self.profile["max"][0]

    def takes(self, shape: Sequence[int]) -> bool:
        """Whether an input of this shape is within what the plan was built for."""
        return all(
            low <= side <= high
            for low, side, high in zip(self.profile["min"], shape, self.profile["max"], strict=True)
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a plan must match here and now."""

    model: str
    precision: str
    tf32: bool
    libraries: Mapping[str, str]  # name -> version of those that can be imported
    cuda_major: int
    gpu: str
    compute_capability: str
    source_sha256: str


def system() -> str:
    return f"{platform.system()} {platform.machine()}"


@cache
def cuda_major_of(library: str) -> int:
    """CUDA's major version of an installed TensorRT, by its package's name (tensorrt-cu13-bindings).

    0 where the name does not tell; a plan built so is opened only where it does not tell either.
    """
    packages = packages_distributions()
    names = [name for module in (library, f"{library}_bindings") for name in packages.get(module, ())]
    majors = [part[2:] for name in names for part in name.replace("_", "-").split("-") if part[:2] == "cu"]
    return next((int(major) for major in majors if major.isdigit()), 0)


def sidecars(bundle_folder: Path, model: str, precision: str) -> list[Path]:
    """Sidecars of a model's plans in a bundle, in a fixed order."""
    return sorted((bundle_folder / PLANS).glob(f"*/{model}.{precision}.json"))


def read_card(sidecar: Path) -> PlanCard:
    """Raises EngineUnavailable: not safe to read, not one of ours, a field missing or of the wrong type."""
    try:
        content = read_safely(sidecar, MAX_SIDECAR_BYTES)
        document = json.loads(content)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise EngineUnavailable(f"{sidecar}: not a plan's sidecar: {rebuild()}")
        if document.get("revision") != REVISION:
            raise EngineUnavailable(
                f"{sidecar}: got revision {document.get('revision')}, want {REVISION}: {rebuild()}"
            )
        return _card(Field(document["plan"], str(sidecar)))
    except (ValueError, KeyError, RecursionError, BundleError) as error:
        raise EngineUnavailable(f"{sidecar}: damaged ({error}): {rebuild()}") from error


def _card(plan: Field) -> PlanCard:
    return PlanCard(
        model=plan["model"].of(str),
        precision=plan["precision"].of(str),
        tf32=plan["tf32"].of(bool),
        library=plan["library"].of(str),
        version=plan["version"].of(str),
        cuda_major=plan["cuda_major"].whole(0, MAX_SIDE),
        gpu=plan["gpu"].of(str),
        compute_capabilities=tuple(value.of(str) for value in plan["compute_capabilities"].each()),
        system=plan["system"].of(str),
        profile={name: _sides(plan["profile"][name], 1) for name in ("min", "opt", "max")},
        tensors=tuple(
            TensorCard(
                name=tensor["name"].of(str),
                is_input=tensor["is_input"].of(bool),
                dtype=tensor["dtype"].of(str),
                shape=_sides(tensor["shape"], -1),
            )
            for tensor in plan["tensors"].each()
        ),
        source_sha256=plan["source_sha256"].of(str),
        plan_sha256=plan["plan_sha256"].of(str),
        plan_bytes=plan["plan_bytes"].whole(1, MAX_PLAN_BYTES),
    )


def _sides(field: Field, least: int) -> tuple[int, ...]:
    sides = tuple(side.whole(least, MAX_SIDE) for side in field.each())
    if not sides:
        raise field.refused("one side at least")
    return sides


def sidecar_text(card: PlanCard) -> str:
    return json.dumps({"format": FORMAT, "revision": REVISION, "plan": asdict(card)}, indent=1) + "\n"


def rebuild(precision: str = "") -> str:
    """What to do about a plan that is refused."""
    return "run `of3 build --bundle DIR" + (f" --precision {precision}`" if precision else "`")


def misfits(card: PlanCard, wanted: Wanted) -> Iterator[str]:
    """Every way in which a plan is not the one for here and now, in words."""
    if card.library not in wanted.libraries:
        yield f"it needs {card.library} {card.version}, which cannot be imported"
    elif card.version != wanted.libraries[card.library]:
        yield f"it was built by {card.library} {card.version}, installed is {wanted.libraries[card.library]}"
    if card.cuda_major != wanted.cuda_major:
        yield f"it was built for CUDA {card.cuda_major}, here runs CUDA {wanted.cuda_major}"
    if card.gpu not in (ANY_GPU, wanted.gpu):
        yield f"it was built on {card.gpu}, this is {wanted.gpu}"
    if wanted.compute_capability not in card.compute_capabilities:
        built = ", ".join(card.compute_capabilities)
        yield f"it was built for compute capability {built}, this GPU has {wanted.compute_capability}"
    if card.system != system():
        yield f"it was built on {card.system}, this is {system()}"
    if card.tf32 and not wanted.tf32:
        yield "it was built with --tf32 on, this run asks for off"
    if card.source_sha256 != wanted.source_sha256:
        yield "it was built from other weights or another export"
    if (card.model, card.precision) != (wanted.model, wanted.precision):
        yield f"it is {card.model} {card.precision}, not {wanted.model} {wanted.precision}"


def read_plan(sidecar: Path, card: PlanCard) -> bytes:
    """The plan beside its sidecar, permissions, size and digest checked.  Raises EngineUnavailable."""
    path = sidecar.with_suffix(".plan")
    content = read_safely(path, card.plan_bytes)
    if len(content) != card.plan_bytes or hashlib.sha256(content).hexdigest() != card.plan_sha256:
        raise EngineUnavailable(f"{path}: truncated or changed since it was built: {rebuild(card.precision)}")
    return content


def read_safely(path: Path, most_bytes: int) -> bytes:
    """A file that nobody else can have written, one byte more than `most_bytes` at most.

    Raises EngineUnavailable: missing, a link, of another owner, or writable by others; or a folder from the
    bundle down to it is.
    """
    try:
        for folder in path.parents[:3]:  # plans/<gpu>, plans, the bundle
            _refuse_unsafe(folder, folder.stat())
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise EngineUnavailable(f"{path}: not a regular file: {rebuild()}")
            _refuse_unsafe(path, status)
            return file.read(most_bytes + 1)
    except OSError as error:
        raise EngineUnavailable(f"{path}: {error.strerror}: {rebuild()}") from error


def write_private(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, for its owner alone."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _refuse_unsafe(path: Path, status: os.stat_result) -> None:
    if not hasattr(os, "geteuid"):
        return  # no POSIX permissions to go by
    if status.st_uid not in (0, os.geteuid()):
        raise EngineUnavailable(
            f"{path} belongs to another user (uid {status.st_uid}), who may have written it: {rebuild()}"
        )
    if status.st_mode & WRITABLE_BY_OTHERS:
        raise EngineUnavailable(
            f"{path} can be written by others (mode {stat.S_IMODE(status.st_mode):o}): "
            f"chmod go-w it if nobody else did, or {rebuild()}"
        )
