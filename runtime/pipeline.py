"""Pictures in, records out: the only file that knows the order of the stages."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np

from of3.engines.bundle import Bundle, Labels
from of3.engines.host import cores
from of3.engines.workers import Workers
from of3.runtime.blas import on_one_blas_thread
from of3.runtime.boundary import or_failure
from of3.runtime.bundle import labels_of, open_bundle, order_of
from of3.runtime.faces import Cut, J, Place, every_of, gathered, one_of
from of3.runtime.networks import DETECTOR, LANDMARKS, MULTITASK, Networks
from of3.runtime.opened import opened, tell
from of3.runtime.pictures import Keyed, Pictures, each_of, source_of
from of3.runtime.settings import Settings
from of3.runtime.steps import Results, Steps, results_of
from of3.runtime.stream import Pause, UntilRaised, admitting_map, batches, delayed, ordered_map, passing, peek
from of3.runtime.turns import Turns
from of3.runtime.types import (
    Analysed,
    Analysis,
    Batch,
    Failure,
    Floats,
    Image,
    K,
    Record,
    RunningBatch,
    Sample,
    Searched,
    Source,
)
from of3.runtime.vision import search
from of3.runtime.vision.batch import NO_PATCHES, SLICE, Blank, batch_of, blanks, joined
from of3.runtime.vision.images import Encoded, encoded
from of3.runtime.vision.multitask import numbers_of

A = TypeVar("A")
B = TypeVar("B")
Make = Callable[[], Batch[K]]  # on any thread
AuOrder = Mapping[int, int]  # AU number -> network output
Analyses = Sequence[tuple[K, Analysis | Failure]]


class Pipeline:
    """Open engines and the worker threads that feed them.  Use as a context manager.

    Threads may share one: they take turns, a result at a time, and who waits for a picture keeps the others
    waiting.  A process that was forked from the one that opened it gets Closed: open one there.
    """

    def __init__(self, bundle: Bundle, settings: Settings):
        """Raises BundleError, EngineUnavailable; TypeError: other settings."""
        if not isinstance(settings, Settings):
            raise TypeError(f"got {type(settings).__name__}, want Settings")
        self.bundle: Bundle = bundle
        self.settings: Settings = settings
        self.labels: Labels = labels_of(bundle, settings.gaze_order)
        self.networks: Networks = Networks(bundle, settings)
        self._steps = Steps(bundle, settings, self.networks)
        workers = settings.workers or settings.cores or cores()
        self._ahead = workers + 1  # pictures decoded and waiting; each may be large
        self._workers = Workers(workers, "of3")
        self._alone: Pipeline | None = None
        self._opening = threading.Lock()
        self._turns = Turns()

    @classmethod
    def open(cls, bundle: str | os.PathLike[str], settings: Settings | None = None) -> "Pipeline":
        """Open the bundle in a folder.  Logs what runs, and warns where it is less than was asked for."""
        made = cls(open_bundle(Path(bundle)), Settings() if settings is None else settings)
        tell(opened(made.bundle, made.networks.engines))
        return made

    def run(self, pictures: Pictures, au_to_index: AuOrder | None = None) -> Iterator[Record | Failure]:
        """Paths, files' bytes, BGR uint8 (H,W,3) -> a Record or Failure each, in order, as they get ready.

        One by itself is one picture.

        au_to_index: a calibrated map AU number -> network output; the documented order without one.
        An array is copied when it is taken, so that its owner may fill it again.  Several calls may be gone
        through at once.  What `pictures` raises comes after the results of all it gave before.
        Raises Closed once the pipeline is closed; TypeError: `pictures` is nothing of the kind; SettingsError:
        `au_to_index` has not an output for each unit.
        """
        keyed = ((None, picture) for picture in each_of(pictures))
        return (result for _, result in self.run_keyed(keyed, au_to_index))

    def run_keyed(
        self, pictures: Keyed[K], au_to_index: AuOrder | None = None
    ) -> Iterator[tuple[K, Record | Failure]]:
        """As `run`; whatever comes with a picture comes back with its result."""
        return chain.from_iterable(self.run_batches(pictures, list, au_to_index))

    def run_batches(
        self, pictures: Keyed[K], then: Callable[[Results[K]], A], au_to_index: AuOrder | None = None
    ) -> Iterator[A]:
        """As `run_keyed`, some at a time, each some through `then`, which runs on several threads at once.

        What `then` raises comes in the place of its result.
        """
        self._turns.check()
        return self._run(pictures, one_of(self._steps), then, order_of(self.labels.aus, au_to_index))

    def run_faces(
        self, pictures: Pictures, most: int = 0, au_to_index: AuOrder | None = None
    ) -> Iterator[Analysis | Failure]:
        """As `run`, with every face of each picture; a Failure: the picture could not be read or searched.

        most: faces of a picture, the best, 0 for all.  Without `Settings.detect` a picture is one face.
        """
        keyed = ((None, picture) for picture in each_of(pictures))
        return (result for _, result in self.run_faces_keyed(keyed, most, au_to_index))

    def run_faces_keyed(
        self, pictures: Keyed[K], most: int = 0, au_to_index: AuOrder | None = None
    ) -> Iterator[tuple[K, Analysis | Failure]]:
        """As `run_faces`; whatever comes with a picture comes back with its result."""
        return chain.from_iterable(self.run_faces_batches(pictures, list, most, au_to_index))

    def run_faces_batches(
        self,
        pictures: Keyed[K],
        then: Callable[[Analyses[K]], A],
        most: int = 0,
        au_to_index: AuOrder | None = None,
    ) -> Iterator[A]:
        """As `run_faces_keyed`, some at a time, as `run_batches` does it.

        Faces of several pictures go through the networks together; each picture comes out whole.
        """
        self._turns.check()
        places = ((Place(key), picture) for key, picture in pictures)
        parts = self._run(places, every_of(self._steps, most), list, order_of(self.labels.aus, au_to_index))
        return self._turns.taken(self._whole(parts, then))

    def _whole(
        self, parts: Iterator[Sequence[tuple[Place[K], Record | Failure]]], then: Callable[[Analyses[K]], A]
    ) -> Iterator[A]:
        faces = UntilRaised(parts)
        yield from self._on_threads(then, gathered(faces), self._ahead)
        faces.check()

    def _run(
        self, pictures: Keyed[J], cut: Cut[J], then: Callable[[Results[J]], A], aus: AuOrder
    ) -> Iterator[A]:
        """On this pipeline, or on all cores a picture that comes alone."""
        given = ((key, source_of(number, picture)) for number, (key, picture) in enumerate(pictures))
        taken = UntilRaised(given)
        first, sources = peek(taken, 2 if self._may_switch() else 0)
        flow = self._for_one() if len(first) == 1 else self
        yield from flow._turns.taken(flow._flow(sources, cut, aus, then))
        taken.check()

    def _flow(
        self,
        sources: Iterable[tuple[J, Source | Failure]],
        cut: Cut[J],
        aus: AuOrder,
        then: Callable[[Results[J]], A],
    ) -> Iterator[A]:
        """The order of the stages.  Networks are started and waited for here; all else is done on threads."""
        networks, rows = self.networks, self.networks.rows(MULTITASK)
        parts = self._found(sources, cut) if DETECTOR in networks else self._whole_ones(sources)

        def finished(batch: Analysed[J]) -> A:
            return then(results_of(batch, self.labels, aus))

        if self._is_in_one_go:
            return self._on_threads(
                lambda make: finished(networks.run(make())), parts, self._ahead, self._ahead
            )
        made = joined(self._on_threads(lambda make: make(), parts, self._ahead, self._ahead), rows)
        running = delayed(map(networks.analyse, made), partial(networks.max_in_flight, MULTITASK))
        return self._on_threads(finished, map(self._awaited, running), self._ahead)

    def _whole_ones(self, sources: Iterable[tuple[K, Source | Failure]]) -> Iterator[Make[K]]:
        """Every picture is a face: read and resampled in one go, so that no decoded picture waits."""
        steps, budget = self._steps, self._steps.budget()
        read, decode = or_failure("read", encoded), or_failure("read", steps.decoded)

        def filled(blank: Blank[K]) -> Batch[K]:
            items: list[tuple[K, Sample | Failure]] = []
            row = 0
            for source in blank.sources:
                picture = read(source)
                resample = or_failure("resample", partial(steps.whole, out=blank.faces[row]))
                with budget.taken(steps.cost_bytes(picture[1])):
                    items.append(resample(decode(picture)))
                row += isinstance(items[-1][1], Sample)
            return Batch(items, blank.faces[:row], NO_PATCHES)

        rows = self.networks.rows(MULTITASK)
        size = max(rows, SLICE) if self._is_in_one_go else SLICE
        batch = size if self._is_in_one_go else rows
        return (partial(filled, blank) for blank in blanks(sources, batch, size))

    def _found(self, sources: Iterable[tuple[K, Source | Failure]], cut: Cut[K]) -> Iterator[Make[K]]:
        """The faces of every picture, whose pixels are there until the last of them is cut out.

        A picture's cost goes with its key from when it has been read.
        """
        steps, networks, budget = self._steps, self.networks, self._steps.budget()
        read, decode = or_failure("read", encoded), or_failure("read", steps.decoded)
        frame = or_failure("detect", steps.scene)

        def sized(source: tuple[K, Source | Failure]) -> tuple[tuple[K, int], Encoded | Failure]:
            key, picture = read(source)
            return (key, steps.cost_bytes(picture)), picture

        def sampled(searched: tuple[tuple[K, int], Searched | Failure]) -> Sequence[tuple[K, Sample | Failure]]:
            (key, cost), found = searched
            try:
                return cut((key, found))
            finally:
                budget.release(cost)

        pictures = self._on_threads(sized, sources, self._ahead)
        scenes = admitting_map(
            self._workers,
            on_one_blas_thread(lambda picture: frame(decode(picture))),
            pictures,
            self._ahead,
            lambda picture: budget.try_take(picture[0][1]),
        )
        searching = map(passing(or_failure("detect", networks.search)), scenes)
        awaited = delayed(searching, partial(networks.max_in_flight, DETECTOR))
        searched = map(passing(or_failure("detect", search.searched)), awaited)
        samples = chain.from_iterable(self._on_threads(sampled, searched, self._ahead))
        card = self.bundle.model(LANDMARKS).input if LANDMARKS in networks else None
        return (partial(batch_of, some, card) for some in batches(samples, networks.rows(MULTITASK)))

    @property
    def _is_in_one_go(self) -> bool:
        """Whether a picture goes all its way on one thread, as it can where networks run on the caller's.

        Handing it over wakes a thread, some 50 us of the interpreter's lock on a virtual machine.
        """
        return self.networks.run_on_the_caller and DETECTOR not in self.networks

    def _awaited(self, running: RunningBatch[K]) -> Analysed[K]:
        self._workers.check()
        self.networks.check()
        return Analysed(running.items, running.faces(), running.points())

    def _on_threads(
        self, step: Callable[[A], B], items: Iterable[A | Pause], ahead: int, first: int = 1
    ) -> Iterator[B]:
        return ordered_map(self._workers, on_one_blas_thread(step), items, ahead, first)

    def _may_switch(self) -> bool:
        """Whether one picture would leave cores idle that nobody asked to be left."""
        return self.settings.parallel_runs == 0 and self.networks.is_on_cpu(MULTITASK)

    def _for_one(self) -> "Pipeline":
        """The same pipeline with all cores on one run, opened when first a picture comes alone."""
        with self._opening:
            self._turns.check()
            if self._alone is None:
                self._alone = Pipeline(self.bundle, replace(self.settings, batch=1, parallel_runs=1))
            return self._alone

    def au_scores(self, pictures: Sequence[Image]) -> Floats:
        """Whole pictures -> (N,8) AU scores in the network's output order."""
        self._turns.check()
        numbers = numbers_of(self.networks.start(MULTITASK, self._steps.wholes(pictures))())
        return np.stack([numbers.raw(row).au for row in range(len(pictures))])

    def batches(self) -> dict[str, Counter[str]]:
        """How many batches of each model were done so far, by the engine that did them."""
        done = {model: Counter(engine.batches) for model, engine in self.networks.engines.items()}
        for model, more in self._alone.batches().items() if self._alone is not None else ():
            done[model] += more
        return done

    def close(self) -> None:
        """Stop the threads and give back the engines; the pipeline cannot run afterwards.  Twice is once."""
        if not self._turns.end():
            return
        self._workers.close()
        self.networks.close()
        if self._alone is not None:
            self._alone.close()

    def __enter__(self) -> "Pipeline":
        self._turns.check()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
