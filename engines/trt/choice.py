"""Which of a bundle's plans runs here: those that fit, the best first, and the next where one does not run."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from of3.engines import cuda
from of3.engines.base import EngineUnavailable
from of3.engines.bundle import Bundle, ModelCard
from of3.engines.trt import libraries, plan_file
from of3.engines.trt.engine import TrtEngine, ends_of, same_ends
from of3.engines.trt.plan_file import PlanCard, Wanted

log = logging.getLogger(__name__)

Found = tuple[Path, PlanCard]  # a plan's sidecar, and what it says


def open_best(bundle: Bundle, model: str, precision: str, tf32: bool, graphs: bool = True) -> TrtEngine:
    """The best plan for here and now that runs.  graphs: launch recorded CUDA graphs.

    Raises EngineUnavailable with every plan's reason: no library, no GPU, none that fits, none that runs.
    """
    card = bundle.model(model)
    libraries.first()
    gpu = cuda.find_gpu()
    refused: list[str] = []
    found = sorted(fitting(bundle, card, precision, tf32, gpu, refused), key=rank)
    for opened in running(card, found, gpu, graphs, refused):
        return opened
    said = "; ".join(refused) or f"no plan for {model} {precision}"
    raise EngineUnavailable(f"{said}: run `of3 build --bundle {bundle.folder} --precision {precision}` here")


def running(
    card: ModelCard, found: Iterable[Found], gpu: cuda.Gpu, graphs: bool, refused: list[str]
) -> Iterator[TrtEngine]:
    """Those of the plans that open and pass the self-check; why the others do not is added to `refused`."""
    for sidecar, plan in found:
        try:
            yield TrtEngine(card, sidecar, plan, gpu, graphs)
        except EngineUnavailable as error:
            log.warning("a plan does not run, the next is tried: %s", error)
            refused.append(str(error))


def fitting(
    bundle: Bundle, card: ModelCard, precision: str, tf32: bool, gpu: cuda.Gpu, refused: list[str]
) -> Iterator[Found]:
    """The plans of a model that are for here and now; why the others are not is added to `refused`.

    Raises EngineUnavailable when the bundle has no graph of this precision.
    """
    if precision not in card.files:
        raise EngineUnavailable(f"{card.lacks(precision)}, then `of3 build`")
    for sidecar in plan_file.sidecars(bundle.folder, card.name, precision):
        try:
            found = plan_file.read_card(sidecar)
        except EngineUnavailable as error:
            refused.append(str(error))
            continue
        reasons = list(plan_file.misfits(found, wanted_here(card, precision, tf32, found.library, gpu)))
        ranks = {len(shape) for shape in found.profile.values()}
        if not same_ends(found.tensors, ends_of(card)) or ranks != {len(card.input.shape)}:
            reasons.append("its inputs and outputs are not those of bundle.json")
        if reasons:
            refused.append(f"{sidecar.parent.name}: {', '.join(reasons)}")
        else:
            yield sidecar, found


def rank(found: Found) -> tuple[bool, bool, bool, int, int, str]:
    """By what is tried first: built on this very GPU, by TensorRT itself, with TF32 where it may be,
    for the most faces a run, for the fewest kinds of GPU.
    """
    sidecar, plan = found
    return (
        plan.gpu == plan_file.ANY_GPU,
        plan.library != "tensorrt",
        not plan.tf32,
        -plan.max_batch,
        len(plan.compute_capabilities),
        sidecar.parent.name,
    )


def wanted_here(card: ModelCard, precision: str, tf32: bool, library: str, gpu: cuda.Gpu) -> Wanted:
    """What a plan of `library` must match to run on this machine."""
    return Wanted(
        model=card.name,
        precision=precision,
        tf32=tf32,
        libraries=libraries.installed(),
        cuda_major=plan_file.cuda_major_of(library),
        gpu=gpu.name,
        compute_capability=gpu.compute_capability,
        source_sha256=card.files[precision].sha256,
    )
