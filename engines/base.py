"""The one interface every engine has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from of3.engines.errors import Error
from of3.engines.workers import Workers

Floats = NDArray[np.float32]
Outputs = Mapping[str, Floats]
Wait = Callable[[], Outputs]


class EngineUnavailable(Error):
    """An engine cannot be opened here; the message says why and what would change that."""


class EngineFailed(Error):
    """An engine broke while it ran (out of memory, lost device); it must not be used again."""


class BatchRefused(Error):
    """A batch is outside what this engine was built for; another engine may take it."""


@dataclass(frozen=True, slots=True, eq=False)
class CpuThreads:
    """What a CPU engine uses of the cores."""

    count: int  # of one run; 0: one a core
    spin: bool = False  # whether its idle threads busy-wait: the least time a run, at the others' cost
    parallel_runs: int = 1  # runs side by side, on the threads of `workers`
    workers: Workers | None = None


def begun(run: Callable[[Floats], Outputs], batch: Floats, workers: Workers | None) -> Wait:
    """A batch at work on the workers' threads; done at once where there are none."""
    if workers is not None:
        return workers.submit(run, batch)
    outputs = run(batch)
    return lambda: outputs


class Engine(Protocol):
    """A model ready to run on one device."""

    @property
    def name(self) -> str:
        """What runs, as logged: "onnxruntime 1.32.0 CPU fp32"."""

    @property
    def max_batch(self) -> int:
        """Most rows one `run` accepts."""

    @property
    def max_in_flight(self) -> int:
        """Batches that may be started before the first of them is waited for."""

    def start(self, batch: Floats) -> Wait:
        """Begin a batch (N, ...) float32; calling the result waits for its outputs.

        The batch must stay as it is until then.  Raises as `run` does, at once or when waited for.
        """

    def run(self, batch: Floats) -> Outputs:
        """(N, ...) float32 -> outputs by name, N rows each, owned by the caller.

        Raises ValueError when the batch does not fit the model card, BatchRefused when it is beyond this
        engine, EngineFailed when the engine broke.
        """

    def close(self) -> None:
        """Give back the device's memory; the engine cannot run afterwards."""
