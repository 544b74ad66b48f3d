"""A TensorRT plan on the GPU: pinned buffers, batch buckets, a CUDA graph per bucket, two batches in flight."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from of3.engines import cuda, selfcheck
from of3.engines.base import BatchRefused, EngineFailed, EngineUnavailable, Floats, Outputs, Wait
from of3.engines.bundle import ModelCard
from of3.engines.trt import libraries, plan_file
from of3.engines.trt.context import Context
from of3.engines.trt.kernels import Contexts
from of3.engines.trt.plan_file import PlanCard, TensorCard

log = logging.getLogger(__name__)

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


def _sides(shape: Sequence[int]) -> str:
    """(2,3,720,1280) -> 2 of 1280x720."""
    return f"{shape[0]} of {shape[3]}x{shape[2]}"


def buckets(most: int) -> list[int]:
    """Batch sizes with a graph of their own: powers of two, and the largest."""
    return sorted({2**power for power in range(most.bit_length()) if 2**power <= most} | {most})


class TrtEngine:
    """Contract: `of3.engines.base.Engine`.

    graphs: launch recorded CUDA graphs.  Raises EngineUnavailable: the plan is not as its sidecar says, or
    fails the self-check in one of the batch sizes that are kept ready.
    """

    max_in_flight = MAX_IN_FLIGHT

    def __init__(self, card: ModelCard, sidecar: Path, plan: PlanCard, gpu: cuda.Gpu, graphs: bool = True):
        self._card, self._plan = card, plan
        self.precision, self.max_batch = plan.precision, plan.max_batch
        self._trt = libraries.library(plan.library)
        self._messages = libraries.messages(plan.library)
        self._messages.drain()  # what it said of others
        self._engine = self._deserialise(sidecar)
        self._is_free = card.input.is_free
        self._has_graphs = graphs and not self._is_free
        self._contexts: dict[tuple[int, int], Context] = {}
        self._turn = 0
        types = f"{plan.precision} tf32" if plan.tf32 else plan.precision
        self.name = f"{plan.library} {plan.version} {types} on {gpu.name} (sm_{gpu.compute_capability})"
        self._made = Contexts(self._trt, self._engine, self._is_free, sidecar.with_suffix(".plan"))
        bounds = "tf32" if plan.tf32 and plan.precision == "fp32" else plan.precision
        ready = [1] if self._is_free else buckets(self.max_batch)
        selfcheck.accept(self, card, bounds, [rows for rows in ready for _ in range(MAX_IN_FLIGHT)])
        self._made.keep()
        for reason in {context.unrecorded for context in self._contexts.values()} - {""}:
            log.warning("%s: %s runs without CUDA graphs, slower: %s", self.name, card.name, reason)

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
        if not self._plan.takes(batch.shape):
            most = self._plan.profile["max"]
            raise BatchRefused(f"got {_sides(batch.shape)}, {self.name} was built for {_sides(most)} at most")
        if self._engine is None:
            raise EngineFailed(f"{self.name}: closed")
        try:
            shape = self._padded(batch.shape)
            running = self._context(shape).start(batch, shape)
        except cuda.CudaError as error:
            raise self._failed(batch, error) from error

        def wait() -> Outputs:
            try:
                outputs = running.outputs()
                self._card.check_outputs(len(batch), outputs)
            except (cuda.CudaError, ValueError) as error:
                raise self._failed(batch, error) from error
            return outputs

        return wait

    def run(self, batch: Floats) -> Outputs:
        return self.start(batch)()

    def _failed(self, batch: Floats, error: Exception) -> BatchRefused | EngineFailed:
        """What an error means, with TensorRT's words; where sizes are free, memory ran out for this picture."""
        logged = self._messages.drain("")
        said = f"{self.name}: {error}{logged and ': '}{logged}"
        if self._is_free and isinstance(error, cuda.OutOfMemory):
            return BatchRefused(f"{said}: no memory for {batch.shape[3]}x{batch.shape[2]} pixels")
        return EngineFailed(said)

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
            self._contexts[key] = Context(self._made.make, self._plan.tensors, shape, self._has_graphs)
        return self._contexts[key]

    def close(self) -> None:
        for context in self._contexts.values():
            context.close()
        self._contexts.clear()
        if self._engine is not None:
            self._made.keep()  # a detector's sizes came one by one
        self._engine = None
