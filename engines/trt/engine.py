"""A TensorRT plan on the GPU: pinned buffers, batch buckets, a CUDA graph per bucket, two batches in flight."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from of3.engines import cuda, selfcheck
from of3.engines.base import BatchRefused, EngineFailed, EngineUnavailable, Floats, Outputs, Wait
from of3.engines.bundle import Bundle, ModelCard
from of3.engines.trt import libraries, plan_file
from of3.engines.trt.context import Context
from of3.engines.trt.plan_file import PlanCard, TensorCard, Wanted

MAX_IN_FLIGHT = 2


def tensors_of(trt: Any, engine: Any) -> tuple[TensorCard, ...]:
    """The ends of a deserialised engine."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    return tuple(
        TensorCard(
            name=name,
            is_input=engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT,
            dtype=engine.get_tensor_dtype(name).name,
            shape=tuple(engine.get_tensor_shape(name)),
        )
        for name in names
    )


def same_ends(found: Sequence[TensorCard], written: Sequence[TensorCard]) -> bool:
    """Whether two lists of ends are the same; a free dimension (-1) agrees with what the builder made of it."""
    named = {tensor.name: tensor for tensor in found}
    return len(found) == len(written) and all(
        tensor.name in named and _same(named[tensor.name], tensor) for tensor in written
    )


def ends_of(card: ModelCard) -> tuple[TensorCard, ...]:
    """The ends that a plan of this model has; the graphs of every precision begin and end in float32."""
    named = [(card.input.name, True, card.input.shape)]
    named += [(output.name, False, output.shape) for output in card.outputs]
    return tuple(
        TensorCard(name, is_input, "FLOAT", tuple(side if isinstance(side, int) else -1 for side in shape))
        for name, is_input, shape in named
    )


def _same(a: TensorCard, b: TensorCard) -> bool:
    is_alike = (a.is_input, a.dtype, len(a.shape)) == (b.is_input, b.dtype, len(b.shape))
    return is_alike and all(x == y or -1 in (x, y) for x, y in zip(a.shape, b.shape, strict=True))


def buckets(most: int) -> list[int]:
    """Batch sizes with a graph of their own: powers of two, and the largest."""
    return sorted({2**power for power in range(most.bit_length()) if 2**power <= most} | {most})


class TrtEngine:
    """Contract: `of3.engines.base.Engine`.

    tf32: whether fp32 products may be rounded to TF32.  graphs: launch recorded CUDA graphs.
    Raises EngineUnavailable: no library, no GPU, no plan that fits, or one that fails the self-check.
    """

    max_in_flight = MAX_IN_FLIGHT

    def __init__(self, bundle: Bundle, model: str, precision: str, tf32: bool, graphs: bool = True):
        self._card = bundle.model(model)
        libraries.first()
        gpu = cuda.find_gpu()
        sidecar, chosen = _choose(bundle, self._card, precision, tf32, gpu)
        self._plan = chosen
        self.precision = precision
        self._trt = libraries.library(chosen.library)
        self._messages = libraries.messages(chosen.library)
        self._engine = self._deserialise(sidecar)
        self._is_free = self._card.input.is_free
        self._has_graphs = graphs and not self._is_free
        self._contexts: dict[tuple[int, int], Context] = {}
        self._turn = 0
        self.max_batch = chosen.max_batch
        types = f"{precision} tf32" if chosen.tf32 else precision
        where = f"{gpu.name} (sm_{gpu.compute_capability})"
        self.name = f"{chosen.library} {chosen.version} {types} on {where}"
        try:
            selfcheck.verify(self, self._card, "tf32" if chosen.tf32 and precision == "fp32" else precision)
        except EngineFailed as error:
            self.close()
            raise EngineUnavailable(f"{sidecar.with_suffix('.plan')} does not run: {error}") from error
        except EngineUnavailable:
            self.close()
            raise

    def _deserialise(self, sidecar: Path) -> Any:
        content = plan_file.read_plan(sidecar, self._plan)
        trt, path = self._trt, sidecar.with_suffix(".plan")
        again = plan_file.rebuild(self._plan.precision)
        runtime = trt.Runtime(self._messages)
        runtime.engine_host_code_allowed = False
        if self._plan.library == "tensorrt_rtx":
            validity, diagnostics = runtime.get_engine_validity(content)
            if validity == trt.EngineValidity.INVALID:
                raise EngineUnavailable(f"{path}: not valid here ({diagnostics}): {again}")
        engine = runtime.deserialize_cuda_engine(content)
        if engine is None:
            raise EngineUnavailable(f"{path}: not opened: {self._messages.drain()}: {again}")
        if not same_ends(tensors_of(trt, engine), self._plan.tensors):
            raise EngineUnavailable(f"{path}: inputs and outputs are not those of its sidecar: {again}")
        return engine

    def start(self, batch: Floats) -> Wait:
        self._card.input.check(batch)
        if len(batch) > self.max_batch or not self._is_within(batch.shape):
            raise BatchRefused(f"got shape {batch.shape}, {self.name} was built for {dict(self._plan.profile)}")
        if self._engine is None:
            raise EngineFailed(f"{self.name}: closed")
        try:
            shape = self._padded(batch.shape)
            running = self._context(shape).start(batch, shape)
        except cuda.CudaError as error:
            raise self._failed(error) from error

        def wait() -> Outputs:
            try:
                outputs = running.outputs()
                self._card.check_outputs(len(batch), outputs)
            except (cuda.CudaError, ValueError) as error:
                raise self._failed(error) from error
            return outputs

        return wait

    def run(self, batch: Floats) -> Outputs:
        return self.start(batch)()

    def _failed(self, error: Exception) -> EngineFailed:
        return EngineFailed(f"{self.name}: {error}")

    def _is_within(self, shape: tuple[int, ...]) -> bool:
        low, high = self._plan.profile["min"], self._plan.profile["max"]
        return all(a <= side <= b for a, side, b in zip(low, shape, high, strict=True))

    def _padded(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that is run in the place of `shape`: the next bucket, where a graph can be kept for it."""
        if self._is_free:
            return shape
        rows = next(size for size in buckets(self.max_batch) if size >= shape[0])
        return (rows, *shape[1:])

    def _context(self, shape: tuple[int, ...]) -> Context:
        """The context of a shape whose turn it is: there are as many as batches in flight.

        A fixed-size model has parallel_runs for every bucket, a free-sized one reshapes those it has.
        """
        self._turn = (self._turn + 1) % MAX_IN_FLIGHT
        key = (0 if self._is_free else shape[0], self._turn)
        if key not in self._contexts:
            self._contexts[key] = Context(self._engine, self._plan.tensors, shape, self._has_graphs)
        return self._contexts[key]

    def close(self) -> None:
        for context in self._contexts.values():
            context.close()
        self._contexts.clear()
        self._engine = None


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


def _choose(
    bundle: Bundle, card: ModelCard, precision: str, tf32: bool, gpu: cuda.Gpu
) -> tuple[Path, PlanCard]:
    """The first plan that is the one for here and now.  Raises EngineUnavailable with every plan's reason."""
    if precision not in card.files:
        raise EngineUnavailable(
            f"the bundle holds {card.name} as {', '.join(card.files)}, not {precision}: "
            f"run `of3 export --force --precision {precision}`, then `of3 build`"
        )
    refused = []
    for sidecar in plan_file.sidecars(bundle.folder, card.name, precision):
        try:
            found = plan_file.read_card(sidecar)
        except EngineUnavailable as error:
            refused.append(str(error))
            continue
        wanted = wanted_here(card, precision, tf32, found.library, gpu)
        reasons = list(plan_file.misfits(found, wanted))
        ranks = {len(shape) for shape in found.profile.values()}
        if not same_ends(found.tensors, ends_of(card)) or ranks != {len(card.input.shape)}:
            reasons.append("its inputs and outputs are not those of bundle.json")
        if not reasons:
            return sidecar, found
        refused.append(f"{sidecar.parent.name}: {', '.join(reasons)}")
    said = "; ".join(refused) or f"no plan for {card.name} {precision}"
    raise EngineUnavailable(f"{said}: run `of3 build --bundle {bundle.folder} --precision {precision}` here")
