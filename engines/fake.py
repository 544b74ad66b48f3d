"""An engine without a network: numbers of the right names, shapes and ranges, by numpy alone.

`Settings(engine="fake")` tries everything around the engines in no time.  The numbers mean nothing.
"""

import numpy as np

from of3.engines.base import CpuThreads, EngineFailed, Floats, Outputs, Wait
from of3.engines.bundle import Bundle


class FakeEngine:
    """Contract: `of3.engines.base.Engine`.  Every row in (0,1), by its own pixels only; free sides are 1."""

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
        return {
            output.name: np.stack([_values(mean, output.shape[1:], number) for mean in means])
            for number, output in enumerate(self._card.outputs, 1)
        }

    def close(self) -> None:
        self._is_open = False


def _values(mean: float, shape: tuple[int | str, ...], number: int) -> Floats:
    """A row's output in (0,1): a wave through its components whose phase is the mean of its pixels."""
    sides = [side if isinstance(side, int) else 1 for side in shape]
    phase = np.arange(np.prod(sides, dtype=int)) * number + 10 * mean
    return (0.5 + 0.49 * np.sin(phase)).astype(np.float32).reshape(sides)
