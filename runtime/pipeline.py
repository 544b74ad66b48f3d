"""Pictures in, records out: the only file that knows the order of the stages."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

import numpy as np

from of3.engines.bundle import Bundle, Labels
from of3.engines.host import cores
from of3.engines.workers import Workers
from of3.runtime.blas import ONE_BLAS_THREAD
from of3.runtime.boundary import or_failure
from of3.runtime.budget import Budget, cost_bytes, default_bytes
from of3.runtime.bundle import open_bundle
from of3.runtime.networks import DETECTOR, LANDMARKS, MULTITASK, Networks
from of3.runtime.settings import Settings
from of3.runtime.stream import Pause, UntilRaised, admitting_map, batches, delayed, ordered_map, passing, peek
from of3.runtime.types import (
    Detection,
    Failure,
    Floats,
    Image,
    K,
    Pixels,
    Record,
    RunError,
    RunningBatch,
    RunningDetection,
    Sample,
    Scene,
    Source,
)
from of3.runtime.vision import detect
from of3.runtime.vision.images import Encoded, decoded, encoded
from of3.runtime.vision.multitask import record_of, row
from of3.runtime.vision.sample import face_tensor, sample_of

Picture = str | Path | Pixels  # a path, or BGR uint8 (H,W,3)
A = TypeVar("A")
B = TypeVar("B")


class Pipeline:
    """Open engines and the worker threads that feed them.  Use as a context manager, from one thread."""

    def __init__(self, bundle: Bundle, settings: Settings):
        """Raises BundleError or EngineUnavailable."""
        self.bundle, self.settings = bundle, settings
        self.labels = _labels(bundle, settings)
        self.networks = Networks(bundle, settings)
        workers = settings.workers or settings.cores or cores()
        self._ahead = workers + 1  # pictures decoded and waiting; each may be large
        self._workers = Workers(workers, "of3")
        self._alone: Pipeline | None = None
        self._is_closed = False

    @classmethod
    def open(cls, bundle: str | Path, settings: Settings | None = None) -> "Pipeline":
        """Open the bundle in a folder, e.g. `Pipeline.open("weights/of3_bundle", Settings(detect=True))`."""
        return cls(open_bundle(Path(bundle)), settings or Settings())

    def run(
        self, pictures: Iterable[Picture], au_to_index: Mapping[int, int] | None = None
    ) -> Iterator[Record | Failure]:
        """Paths, or BGR uint8 (H,W,3) arrays, -> one Record or Failure each, in order, as they get ready.

        au_to_index: a calibrated map AU number -> network output; the documented order without one.
        An array is copied when it is taken, so that its owner may fill it again.  Several calls may be gone
        through at once.  What `pictures` raises comes after the results of all it gave before.
        Raises RunError once the pipeline is closed.
        """
        for _, result in self.run_keyed(((None, picture) for picture in pictures), au_to_index):
            yield result

    def run_keyed(
        self, pictures: Iterable[tuple[K, Picture]], au_to_index: Mapping[int, int] | None = None
    ) -> Iterator[tuple[K, Record | Failure]]:
        """As `run`; whatever comes with a picture comes back with its result."""
        aus = au_to_index or {au: index for index, au in enumerate(self.bundle.labels.aus)}
        taken = UntilRaised(map(_source, enumerate(pictures)))
        first, sources = peek(taken, 2 if self._may_switch() else 0)
        flow = self._for_one() if len(first) == 1 else self
        yield from flow._flow(sources, aus)
        taken.check()

    def _flow(
        self, sources: Iterable[tuple[K, Source | Failure]], aus: Mapping[int, int]
    ) -> Iterator[tuple[K, Record | Failure]]:
        """The order of the stages.  Pictures are read and made ready on threads, networks started in turn."""
        if self._is_closed:
            raise RunError("this pipeline is closed: open another")
        networks = self.networks
        samples = self._found(sources) if DETECTOR in networks else self._whole_ones(sources)
        running = map(networks.analyse, batches(samples, networks.rows(MULTITASK)))
        for batch in delayed(running, partial(networks.max_in_flight, MULTITASK)):
            self._workers.check()
            networks.check()
            yield from self._records(batch, aus)

    def _whole_ones(
        self, sources: Iterable[tuple[K, Source | Failure]]
    ) -> Iterator[tuple[K, Sample | Failure]]:
        """Every picture is a face: read and resampled in one go, so that no decoded picture waits."""
        read, decode = or_failure("read", encoded), or_failure("read", self._decoded)
        resample, budget = or_failure("resample", self._whole), self._budget()

        def step(source: tuple[K, Source | Failure]) -> tuple[K, Sample | Failure]:
            picture = read(source)
            with budget.taken(self._cost_bytes(picture[1])):
                return resample(decode(picture))

        return self._on_threads(step, sources, self._ahead + self.networks.rows(MULTITASK))

    def _found(self, sources: Iterable[tuple[K, Source | Failure]]) -> Iterator[tuple[K, Sample | Failure]]:
        """The face of every picture, whose pixels are there until its crop is made.

        A picture's cost goes with its key from when it has been read.
        """
        read, decode = or_failure("read", encoded), or_failure("read", self._decoded)
        frame, crop = or_failure("detect", self._scene), or_failure("crop", self._sample)
        networks, budget = self.networks, self._budget()

        def sized(source: tuple[K, Source | Failure]) -> tuple[tuple[K, int], Encoded | Failure]:
            key, picture = read(source)
            return (key, self._cost_bytes(picture)), picture

        def sampled(detection: tuple[tuple[K, int], Detection | Failure]) -> tuple[K, Sample | Failure]:
            (key, cost), found = detection
            try:
                return crop((key, found))
            finally:
                budget.release(cost)

        pictures = self._on_threads(sized, sources, self._ahead)
        scenes = admitting_map(
            self._workers,
            _on_one_blas_thread(lambda picture: frame(decode(picture))),
            pictures,
            self._ahead,
            lambda picture: budget.try_take(picture[0][1]),
        )
        searched = map(passing(or_failure("detect", networks.search)), scenes)
        awaited = delayed(searched, partial(networks.max_in_flight, DETECTOR))
        detections = map(passing(or_failure("detect", self._locate)), awaited)
        return self._on_threads(sampled, detections, self._ahead)

    def _budget(self) -> Budget:
        return Budget(self.settings.memory_bytes or default_bytes(self.settings.cores))

    def _cost_bytes(self, picture: Encoded | Failure) -> int:
        pixels = 0 if isinstance(picture, Failure) else picture.pixels
        if pixels > self.settings.max_pixels:  # is not decoded
            return 0
        fed = pixels * self.settings.detector_resize**2 if DETECTOR in self.networks else 0
        return cost_bytes(pixels, fed, self.networks.is_on_cpu(DETECTOR) if fed else True)

    def _decoded(self, picture: Encoded) -> Image:
        return decoded(picture, self.settings.reject_damaged, self.settings.max_pixels)

    def _scene(self, image: Image) -> Scene:
        return detect.scene(image, self.bundle.model(DETECTOR).input, self.settings.detector_resize)

    def _locate(self, running: RunningDetection) -> Detection:
        settings = self.settings
        height, width = running.scene.tensor.shape[1:]
        found = detect.faces(running.outputs(), height, width, settings.detector_resize)
        return detect.choose(running.scene.image, found, settings.best_face, settings.detect)

    def _whole(self, image: Image) -> Sample:
        return self._sample(Detection(image, None))

    def _sample(self, detection: Detection) -> Sample:
        card, is_cropped = self.bundle.model(MULTITASK).input, self.settings.detect
        return sample_of(detection, card, is_cropped, has_patch=LANDMARKS in self.networks)

    def _records(
        self, running: RunningBatch[K], aus: Mapping[int, int]
    ) -> Iterator[tuple[K, Record | Failure]]:
        """Wait for a batch's networks; its results in order."""
        faces, points, rows = running.faces(), running.points(), count()
        for key, item in running.batch:
            if isinstance(item, Failure):
                yield key, item
                continue
            made = partial(
                record_of, outputs=faces, points=points, index=next(rows), labels=self.labels, au_to_index=aus
            )
            yield or_failure("analyse", made)((key, item))

    def _on_threads(self, step: Callable[[A], B], items: Iterable[A | Pause], ahead: int) -> Iterator[B]:
        return ordered_map(self._workers, _on_one_blas_thread(step), items, ahead)

    def _may_switch(self) -> bool:
        """Whether one picture would leave cores idle that nobody asked to be left."""
        return self.settings.parallel_runs == 0 and self.networks.is_on_cpu(MULTITASK)

    def _for_one(self) -> "Pipeline":
        """The same pipeline with all cores on one run, opened when first a picture comes alone."""
        if self._alone is None:
            self._alone = Pipeline(self.bundle, replace(self.settings, batch=1, parallel_runs=1))
        return self._alone

    def au_scores(self, pictures: Sequence[Image]) -> Floats:
        """Whole pictures -> (N,8) AU scores in the network's output order."""
        card = self.bundle.model(MULTITASK).input
        tensors = [face_tensor(picture.pixels, card) for picture in pictures]
        outputs = self.networks.start(MULTITASK, tensors)()
        return np.stack([row(outputs, index).au for index in range(len(tensors))])

    def batches(self) -> dict[str, Counter[str]]:
        """How many batches of each model were done so far, by the engine that did them."""
        done = {model: Counter(engine.batches) for model, engine in self.networks.engines.items()}
        for model, more in self._alone.batches().items() if self._alone is not None else ():
            done[model] += more
        return done

    def close(self) -> None:
        """Stop the threads and give back the engines; the pipeline cannot run afterwards.  Twice is once."""
        if self._is_closed:
            return
        self._is_closed = True
        self._workers.close()
        self.networks.close()
        if self._alone is not None:
            self._alone.close()

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _on_one_blas_thread(step: Callable[[A], B]) -> Callable[[A], B]:
    """The threads are the parallelism, BLAS's own would fight them for the cores."""

    def alone(item: A) -> B:
        with ONE_BLAS_THREAD:
            return step(item)

    return alone


def _source(numbered: tuple[int, tuple[K, Picture]]) -> tuple[K, Source | Failure]:
    number, (key, picture) = numbered
    if isinstance(picture, str | Path):
        return key, Source(str(picture), str(picture))
    return key, Source(f"array {number}", np.array(picture))


def _labels(bundle: Bundle, settings: Settings) -> Labels:
    """The bundle's labels, with the gaze order asked for."""
    measured = bundle.labels.gaze_measured
    if settings.gaze_order == "measured" and measured:
        return replace(bundle.labels, gaze=measured)
    return bundle.labels
