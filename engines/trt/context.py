"""One execution context of a TensorRT engine, with its stream, pinned buffers and CUDA graph."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from of3.engines import cuda
from of3.engines.base import Floats, Outputs
from of3.engines.trt.plan_file import TensorCard


class Context:
    """One execution context with its stream, memory and, for a fixed shape, its CUDA graph."""

    def __init__(
        self,
        make: Callable[[], Any],
        tensors: tuple[TensorCard, ...],
        shape: tuple[int, ...],
        has_graph: bool,
    ):
        """make: gives TensorRT's own, without memory.  Raises CudaError, nothing kept of what was taken."""
        self._names = [tensor.name for tensor in tensors]  # the input first
        self._names.sort(key=lambda name: not any(t.is_input for t in tensors if t.name == name))
        self._buffers: dict[str, cuda.Buffer] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._memory: cuda.Memory | None = None
        self._graph: cuda.Graph | None = None
        self.unrecorded = ""  # why there is no graph though one was asked for
        self._stream = cuda.Stream()
        self._last: Running | None = None
        self._is_open = True
        try:
            self._context = true(make(), "create_execution_context")
            handle = int(self._stream.handle)
            true(self._context.set_optimization_profile_async(0, handle), "set_optimization_profile_async")
            self._reshape(shape)
            if has_graph:
                self._record()
        except cuda.CudaError:
            self.close()
            raise

    def _record(self) -> None:
        """Record what a run queues as a CUDA graph; where that cannot be, each run queues it anew."""
        self._enqueue()  # TensorRT does its first-run work outside of a recording
        self._stream.wait()
        try:
            self._graph = cuda.Graph(self._enqueue, self._stream)
        except cuda.CudaError as error:
            self.unrecorded = str(error)

    def _reshape(self, shape: tuple[int, ...]) -> None:
        """Make the input `shape`; what memory is there grows and never shrinks.

        Raises CudaError; after OutOfMemory a smaller shape may still be had.
        """
        context, self._shapes = self._context, {}
        true(context.set_input_shape(self._names[0], shape), f"set_input_shape {shape}")
        missing = context.infer_shapes()
        true(not missing, f"infer_shapes, missing {missing}")
        self._give_memory(int(context.update_device_memory_size_for_shapes()))
        shapes = {name: tuple(context.get_tensor_shape(name)) for name in self._names}
        for name, sides in shapes.items():
            count = math.prod(sides)
            if name not in self._buffers or self._buffers[name].count < count:
                if name in self._buffers:
                    self._buffers.pop(name).close()
                self._buffers[name] = cuda.Buffer(count)
            true(context.set_tensor_address(name, self._buffers[name].device), f"set_tensor_address {name}")
        self._shapes = shapes

    def _give_memory(self, size_bytes: int) -> None:
        """For activations, as much as this shape needs and not as the profile's largest would."""
        if self._memory is None or self._memory.size_bytes < size_bytes:
            if self._memory is not None:
                self._memory.close()
                self._memory = None
            self._memory = cuda.Memory(max(size_bytes, 1))
        self._context.set_device_memory(self._memory.device, self._memory.size_bytes)

    def _enqueue(self) -> None:
        counts = {name: math.prod(shape) for name, shape in self._shapes.items()}
        source, *outputs = self._names
        self._buffers[source].upload(counts[source], self._stream)
        true(self._context.execute_async_v3(int(self._stream.handle)), "execute_async_v3")
        for name in outputs:
            self._buffers[name].download(counts[name], self._stream)

    def _host(self, name: str) -> Floats:
        shape = self._shapes[name]
        return self._buffers[name].host[: math.prod(shape)].reshape(shape)

    def start(self, batch: Floats, shape: tuple[int, ...]) -> "Running":
        """Queue a batch as `shape`; rows beyond it keep what they held and are not given out."""
        self._check_open()
        if self._last is not None:
            self._last.outputs()  # those of the batch before leave the buffers first
        if shape != self._shapes.get(self._names[0]):
            self._reshape(shape)
        self._host(self._names[0])[: len(batch)] = batch
        if self._graph is None:
            self._enqueue()
        else:
            self._graph.launch()
        self._last = Running(self, len(batch))
        return self._last

    def wait(self, rows: int) -> Outputs:
        self._check_open()
        self._stream.wait()
        return {name: np.array(self._host(name)[:rows]) for name in self._names[1:]}

    def _check_open(self) -> None:
        if not self._is_open:
            raise cuda.CudaError("the engine was closed")

    def close(self) -> None:
        self._is_open = False
        for held in (self._graph, *self._buffers.values(), self._memory, self._stream):
            if held is not None:
                held.close()
        self._graph, self._context, self._last, self._memory = None, None, None, None
        self._buffers.clear()


class Running:
    """A batch at work in its owner; its outputs are copied out once, by whoever asks first."""

    def __init__(self, owner: Context, rows: int):
        self._owner, self._rows = owner, rows
        self._outputs: Outputs | None = None

    def outputs(self) -> Outputs:
        """Wait for the batch.  Raises CudaError."""
        if self._outputs is None:
            self._outputs = self._owner.wait(self._rows)
        return self._outputs


def true(answer: Any, call: str) -> Any:
    """TensorRT answers False or None and says why only in its log.  Raises CudaError."""
    if answer is None or answer is False:
        raise cuda.CudaError(f"TensorRT refused {call}")
    return answer
