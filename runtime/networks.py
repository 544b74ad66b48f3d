"""The networks a run needs, opened, and batches handed to them in the sizes they like."""

import threading
from collections.abc import Iterator, Sequence

import numpy as np

from of3.engines.base import CpuThreads, Outputs, Wait
from of3.engines.bundle import Bundle
from of3.engines.fallback import Fallback
from of3.engines.host import cores
from of3.engines.open import Choice, open_engine
from of3.engines.workers import Workers
from of3.runtime.settings import Settings
from of3.runtime.types import Analysed, Batch, Floats, K, RunningBatch, RunningDetection, Scene

MULTITASK, DETECTOR, LANDMARKS = "multitask", "detector", "landmarks"


class Networks:
    """Open engines by model, and the threads on which CPU ones run side by side.  From one thread only."""

    def __init__(self, bundle: Bundle, settings: Settings):
        """Raises BundleError or EngineUnavailable."""
        self._settings = settings
        threads = settings.cores or cores()
        self._parallel_runs = parallel_runs = settings.parallel_runs or threads
        self._turns = threading.Semaphore(parallel_runs)
        self._workers = Workers(parallel_runs, "of3-run")
        choice = Choice(settings.device, settings.engine, settings.require, settings.precision, settings.tf32)
        needed = needed_by(settings)
        # Spinning threads of several sessions fight for the same cores: only the costliest network's may.
        self.engines: dict[str, Fallback] = {
            model: open_engine(
                bundle,
                model,
                choice,
                CpuThreads(threads, spin=model == needed[0])
                if parallel_runs == 1
                else CpuThreads(1, spin=False, parallel_runs=parallel_runs, workers=self._workers),
            )
            for model in needed
        }

    def __contains__(self, model: str) -> bool:
        return model in self.engines

    def max_in_flight(self, model: str) -> int:
        """Batches that may be started before the first of them is waited for."""
        return self.engines[model].max_in_flight

    def rows(self, model: str) -> int:
        """Rows of one run."""
        engine = self.engines[model]
        return min(self._settings.batch or engine.kind.rows.get(model, 1), engine.max_batch)

    def is_on_cpu(self, model: str) -> bool:
        return self.engines[model].kind.device == "cpu"

    def start(self, model: str, batch: Floats) -> Wait:
        """Begin on a batch (N, ...); in several runs where that is more than one takes."""
        if not len(batch):
            return dict
        waits = [self.engines[model].start(part) for part in self._parts(model, batch)]
        return waits[0] if len(waits) == 1 else lambda: _joined([wait() for wait in waits])

    def search(self, scene: Scene) -> RunningDetection:
        """Hand a scene to the detector, view by view: they are of several sizes."""
        return RunningDetection(scene, [self.start(DETECTOR, view.tensor[None]) for view in scene.views])

    def analyse(self, batch: Batch[K]) -> RunningBatch[K]:
        """Hand a batch to the networks, which may work on it while the next is made ready."""
        faces = self.start(MULTITASK, batch.faces)
        return RunningBatch(batch.items, faces, self.start(LANDMARKS, batch.patches))

    @property
    def run_on_the_caller(self) -> bool:
        """Whether `run` may be called on several threads at once, each a core's work."""
        return self._parallel_runs > 1 and self.is_on_cpu(MULTITASK)

    def run(self, batch: Batch[K]) -> Analysed[K]:
        """Faces through the multitask network, on this thread."""
        with self._turns:
            parts = [self.engines[MULTITASK].run(part) for part in self._parts(MULTITASK, batch.faces)]
        return Analysed(batch.items, _joined(parts) if parts else {}, {})

    def _parts(self, model: str, batch: Floats) -> Iterator[Floats]:
        """A batch as one run takes it, and the next."""
        rows = self.rows(model)
        return (batch[first : first + rows] for first in range(0, len(batch), rows))

    def check(self) -> None:
        """Raise WorkerDied when a thread that runs them has ended."""
        self._workers.check()

    def close(self) -> None:
        """Give back the engines; the networks cannot run afterwards."""
        self._workers.close()
        for engine in self.engines.values():
            engine.close()


def _joined(parts: Sequence[Outputs]) -> Outputs:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def needed_by(settings: Settings) -> list[str]:
    """The models a run needs, the costliest first."""
    needed = [LANDMARKS] if settings.landmarks else []
    needed += [DETECTOR] if settings.detect or settings.landmarks else []
    return [*needed, MULTITASK]
