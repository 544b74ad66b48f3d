"""The networks a run needs, opened, and batches handed to them in the sizes they like."""

from collections.abc import Sequence

import numpy as np

from of3.engines.base import CpuShare, Outputs, Wait
from of3.engines.bundle import Bundle
from of3.engines.machine import cores
from of3.engines.open import Choice, open_engine
from of3.engines.workers import Workers
from of3.runtime.settings import Settings
from of3.runtime.stream import batches
from of3.runtime.types import Floats

MULTITASK, DETECTOR, LANDMARKS = "multitask", "detector", "landmarks"
# Rows per run where `Settings.batch` leaves it open.  On the CPU the multitask network costs the same per face
# from 4 up; STAR on its own took 0.94 of batch 8's time and two thirds of its memory (2 cores, medians of 3).
CPU_ROWS = {MULTITASK: 4, DETECTOR: 1, LANDMARKS: 1}
GPU_ROWS = {MULTITASK: 32, DETECTOR: 1, LANDMARKS: 32}  # what `of3 build` makes plans for


class Networks:
    """Open engines by model, and the threads on which CPU ones run side by side.  From one thread only."""

    def __init__(self, bundle: Bundle, settings: Settings):
        """Raises BundleError or EngineUnavailable."""
        self._settings = settings
        share = settings.cores or cores()
        lanes = settings.lanes or share
        self._workers = Workers(lanes, "of3-lane")
        choice = Choice(
            settings.device, settings.engine, settings.is_required, settings.precision, settings.tf32
        )
        needed = needed_by(settings)
        # Spinning threads of several sessions fight for the same cores: only the costliest network's may.
        self.engines = {
            model: open_engine(
                bundle,
                model,
                choice,
                CpuShare(share, spin=model == needed[0])
                if lanes == 1
                else CpuShare(1, spin=False, lanes=lanes, workers=self._workers),
            )
            for model in needed
        }

    def __contains__(self, model: str) -> bool:
        return model in self.engines

    def slots(self, model: str) -> int:
        """Batches that may be started before the first of them is waited for."""
        return self.engines[model].slots

    def rows(self, model: str) -> int:
        """Rows of one run."""
        engine = self.engines[model]
        best = (CPU_ROWS if engine.kind == "cpu" else GPU_ROWS)[model]
        return min(self._settings.batch or best, engine.max_batch)

    def start(self, model: str, tensors: Sequence[Floats]) -> Wait:
        """Begin on tensors of one shape; in several runs where they are more than one takes."""
        if not tensors:
            return dict
        engine = self.engines[model]
        waits = [engine.start(_stacked(chunk)) for chunk in batches(tensors, self.rows(model))]
        return waits[0] if len(waits) == 1 else lambda: _joined([wait() for wait in waits])

    def check(self) -> None:
        """Raise WorkerDied when a thread that runs them has ended."""
        self._workers.check()

    def close(self) -> None:
        """Give back the engines; the networks cannot run afterwards."""
        self._workers.close()
        for engine in self.engines.values():
            engine.close()


def _stacked(tensors: Sequence[Floats]) -> Floats:
    """(N, ...); one that is contiguous, as a detector's large one is, is not copied."""
    return np.ascontiguousarray(tensors[0][None]) if len(tensors) == 1 else np.stack(tensors)


def _joined(parts: Sequence[Outputs]) -> Outputs:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def needed_by(settings: Settings) -> list[str]:
    """The models a run needs, the costliest first."""
    needed = [LANDMARKS] if settings.landmarks else []
    needed += [DETECTOR] if settings.detect or settings.landmarks else []
    return [*needed, MULTITASK]
