"""An engine without a network: numbers of the right names, shapes and ranges, by numpy alone.

`Settings(engine="fake")` tries everything around the engines in no time.  The numbers mean nothing.
"""

import math
from collections.abc import Sequence

import numpy as np

from of3.engines.base import CpuThreads, EngineFailed, Floats, Outputs, Wait
from of3.engines.bundle import Bundle

STRIDES_PX = (8, 16, 32)  # of RetinaFace's priors, two a cell


class FakeEngine:
    """Contract: `of3.engines.base.Engine`.  Every row in (0,1), by its own pixels only.

    The free side of an output is as long as a detector's is for the size of the input.
    """

    max_batch = 64

    def __init__(self, bundle: Bundle, model: str, precision: str, threads: CpuThreads):
        self._card = bundle.model(model)
        self._is_open = True
        self.name = f"fake (numpy, no network) {precision}"
        self.max_in_flight = threads.parallel_runs + 2

    def start(self, batch: Floats) -> Wait:
        outputs = self.run(batch)
        return lambda: outputs

    def run(self, batch: Floats) -> Outputs:
        self._card.input.check(batch)
        if not self._is_open:
            raise EngineFailed(f"{self.name}: closed")
        means = [float(row.mean(dtype=np.float64)) for row in batch]
        free = 2 * sum(-(-batch.shape[2] // stride) * -(-batch.shape[3] // stride) for stride in STRIDES_PX)
        shapes = [
            [side if isinstance(side, int) else free for side in card.shape[1:]] for card in self._card.outputs
        ]
        return {
            card.name: np.stack([_values(mean, shape, number) for mean in means])
            for number, (card, shape) in enumerate(zip(self._card.outputs, shapes, strict=True), 1)
        }

    def close(self) -> None:
        self._is_open = False


def _values(mean: float, shape: Sequence[int], number: int) -> Floats:
    """A row's output in (0,1): a wave through its components whose phase is the mean of its pixels."""
    phase = np.arange(math.prod(shape)) * number + 10 * mean
    wave: Floats = (0.5 + 0.49 * np.sin(phase)).astype(np.float32)
    return wave.reshape(shape)
