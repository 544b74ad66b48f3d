"""Pictures in, records out: the only file that knows the order of the stages."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from of3.engines.base import Wait
from of3.engines.bundle import Bundle, Labels, read_bundle
from of3.engines.machine import cores
from of3.engines.workers import WorkerDied, Workers
from of3.runtime import crop, detect, images, landmarks, multitask
from of3.runtime.networks import DETECTOR, LANDMARKS, MULTITASK, Networks
from of3.runtime.resample import resample
from of3.runtime.settings import Settings
from of3.runtime.stream import batches, delayed, ordered_map, peek
from of3.runtime.tensor import normalise, planes_of
from of3.runtime.types import (
    Failure,
    Floats,
    Image,
    Located,
    Patch,
    PictureError,
    Pixels,
    Record,
    Sample,
    Scene,
    Source,
)

log = logging.getLogger(__name__)

CROP_PX = 224


@dataclass(frozen=True, slots=True, eq=False)
class Started:
    """A batch, and the networks at work on it."""

    batch: Sequence[Sample | Failure]
    faces: Wait
    landmarks: Wait


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """A scene, and the detector at work on it."""

    scene: Scene
    found: Wait

    @property
    def source(self) -> str:
        return self.scene.source


class Sourced(Protocol):
    @property
    def source(self) -> str: ...


A = TypeVar("A", bound=Sourced)
B = TypeVar("B")


def attempt(stage: str, step: Callable[[A], B]) -> Callable[[A | Failure], B | Failure]:
    """`step`, with whatever a picture does to it turned into that picture's Failure: the row boundary."""

    def guarded(item: A | Failure) -> B | Failure:
        if isinstance(item, Failure):
            return item
        try:
            return again_when_short_of_memory(step, item)
        except WorkerDied:
            raise  # not this picture's doing: the run cannot go on
        except PictureError as error:
            return Failure(item.source, stage, str(error))
        except MemoryError as error:
            return Failure(item.source, stage, f"out of memory: {error}".removesuffix(": "))
        except Exception as error:  # one picture costs one row, whatever it did
            log.debug("%s: %s", item.source, stage, exc_info=True)
            return Failure(item.source, stage, f"{type(error).__name__}: {error}")

    return guarded


ALONE = threading.Lock()  # held by the one picture that is tried again


def again_when_short_of_memory(step: Callable[[A], B], item: A) -> B:
    """`step`, once more where memory ran out: most likely a neighbour had taken it, and has failed by now."""
    with suppress(MemoryError):  # and with its traceback goes what its frames hold
        return step(item)
    with ALONE:
        return step(item)


class Pipeline:
    """Open engines and the worker threads that feed them.  Use as a context manager, from one thread."""

    def __init__(self, bundle: Bundle, settings: Settings):
        """Raises BundleError or EngineUnavailable."""
        self.bundle = bundle
        self.settings = settings
        self.labels = _labels(bundle, settings)
        self.networks = Networks(bundle, settings)
        self._blas = ThreadpoolController()
        workers = settings.workers or settings.cores or cores()
        self._ahead = workers + 1  # pictures decoded and waiting; each may be large
        self._workers = Workers(workers, "of3")
        self._alone: Pipeline | None = None

    @classmethod
    def open(cls, bundle: str | Path, settings: Settings | None = None) -> "Pipeline":
        """Open the bundle in a folder, e.g. `Pipeline.open("weights/of3_bundle", Settings(detect=True))`."""
        return cls(read_bundle(Path(bundle)), settings or Settings())

    def run(
        self, pictures: Iterable[str | Path | Pixels], au_to_index: Mapping[int, int] | None = None
    ) -> Iterator[Record | Failure]:
        """Paths, or BGR uint8 (H,W,3) arrays, -> one Record or Failure each, in order, as they get ready.

        au_to_index: a calibrated map AU number -> network output; the documented order without one.
        """
        aus = au_to_index or {au: index for index, au in enumerate(self.bundle.labels.aus)}
        first, rest = peek(pictures, 2)
        if len(first) == 1 and self._may_switch():
            yield from self._for_one().run(first, aus)
            return
        with self._blas.limit(limits=1, user_api="blas"):  # the workers are the parallelism
            sources = map(_source, enumerate(rest))
            samples = self._from_faces(sources) if DETECTOR in self.networks else self._from_wholes(sources)
            started = map(self._start, batches(samples, self.networks.rows(MULTITASK)))
            for batch in delayed(started, partial(self.networks.slots, MULTITASK)):
                self._workers.check()
                self.networks.check()
                yield from self._finish(batch, aus)

    def _may_switch(self) -> bool:
        """Whether one picture would leave cores idle that nobody asked to be left."""
        return self.settings.lanes == 0 and self.networks.engines[MULTITASK].kind == "cpu"

    def _for_one(self) -> "Pipeline":
        """The same pipeline with all cores on one run, opened when first a picture comes alone."""
        if self._alone is None:
            self._alone = Pipeline(self.bundle, replace(self.settings, batch=1, lanes=1))
        return self._alone

    def au_scores(self, pictures: Sequence[Image]) -> Floats:
        """Whole pictures -> (N,8) AU scores in the network's output order."""
        tensors = [self._face_tensor(picture.pixels) for picture in pictures]
        outputs = self.networks.start(MULTITASK, tensors)()
        return np.stack([multitask.row(outputs, index).au for index in range(len(tensors))])

    def _from_wholes(self, sources: Iterable[Source]) -> Iterator[Sample | Failure]:
        """Every picture is a face: read and resample in one go, so that no decoded picture waits."""
        read = attempt("read", self._read)
        prepare = attempt("resample", self._whole)
        ahead = self._ahead + self.networks.rows(MULTITASK)
        return self._threads(lambda source: prepare(read(source)), sources, ahead)

    def _from_faces(self, sources: Iterable[Source]) -> Iterator[Sample | Failure]:
        """Read, detect, crop and resample; the detector runs between its two rounds of threads."""
        read, frame = attempt("read", self._read), attempt("detect", self._scene)
        scenes = self._threads(lambda source: frame(read(source)), sources, self._ahead)
        searched = map(attempt("detect", self._search), scenes)
        awaited = delayed(searched, partial(self.networks.slots, DETECTOR))
        located = map(attempt("detect", self._locate), awaited)
        return self._threads(attempt("crop", self._sample), located, self._ahead)

    def _threads(self, step: Callable[[A], B], items: Iterable[A], ahead: int) -> Iterator[B]:
        return ordered_map(self._workers, step, items, ahead)

    def _read(self, source: Source) -> Image:
        image = images.read_image(source)
        if image.damage and self.settings.reject_damaged:
            raise PictureError(f"damaged: {image.damage}")
        return image

    def _scene(self, image: Image) -> Scene:
        card = self.bundle.model(DETECTOR).input
        return detect.scene(image, card, self.settings.detector_resize)

    def _search(self, scene: Scene) -> Searched:
        return Searched(scene, self.networks.start(DETECTOR, [scene.tensor]))

    def _locate(self, searched: Searched) -> Located:
        scene = searched.scene
        height, width = scene.tensor.shape[1:]
        found = detect.faces(searched.found(), height, width, self.settings.detector_resize)
        face = detect.best_face(found)
        if face is None and self.settings.detect:
            raise PictureError("no face")
        return Located(scene.image, face)

    def _whole(self, image: Image) -> Sample:
        return self._sample(Located(image, None))

    def _sample(self, located: Located) -> Sample:
        face = located.face if self.settings.detect else None
        image = located.image
        pixels = image.pixels if face is None else crop.crop(image.pixels, face)
        return Sample(image.source, image.damage, self._face_tensor(pixels), face, self._patch(located))

    def _face_tensor(self, pixels: Pixels) -> Floats:
        return normalise(resample(pixels, CROP_PX), self.bundle.model(MULTITASK).input)

    def _patch(self, located: Located) -> Patch | None:
        if LANDMARKS not in self.networks:
            return None
        pixels = located.image.pixels
        return landmarks.align(pixels, landmarks.box_of(pixels, located.face))

    def _start(self, batch: Sequence[Sample | Failure]) -> Started:
        """Hand a batch to the networks, which may work on it while the next is made ready."""
        samples = [item for item in batch if isinstance(item, Sample)]
        patches = [sample.patch for sample in samples if sample.patch is not None]
        return Started(
            batch,
            self.networks.start(MULTITASK, [sample.tensor for sample in samples]),
            self.networks.start(LANDMARKS, [self._patch_tensor(patch) for patch in patches]),
        )

    def _finish(self, started: Started, aus: Mapping[int, int]) -> Iterator[Record | Failure]:
        outputs, found = started.faces(), started.landmarks()
        rows = iter(range(len(started.batch)))
        for item in started.batch:
            if isinstance(item, Failure):
                yield item
                continue
            index = next(rows)
            points = None if item.patch is None else found["landmarks"][index]
            yield attempt("analyse", partial(self._record, outputs, index, points, aus))(item)

    def _record(
        self,
        outputs: Mapping[str, Floats],
        index: int,
        points: Floats | None,
        aus: Mapping[int, int],
        sample: Sample,
    ) -> Record:
        estimate = multitask.estimate(multitask.row(outputs, index), self.labels, aus)
        face, patch = sample.face, sample.patch
        return Record(
            source=sample.source,
            emotion=estimate.emotion,
            probabilities=estimate.probabilities,
            gaze_rad=estimate.gaze_rad,
            aus=estimate.aus,
            raw=estimate.raw,
            box=None if face is None else detect.corners(face),
            confidence=None if face is None else face.confidence,
            landmarks=None if points is None or patch is None else landmarks.to_points(points, patch),
            damage=sample.damage,
        )

    def _patch_tensor(self, patch: Patch) -> Floats:
        card = self.bundle.model(LANDMARKS).input
        return normalise(planes_of(patch.pixels), card)

    def close(self) -> None:
        """Stop the threads and give back the engines; the pipeline cannot run afterwards."""
        self._workers.close()
        self.networks.close()
        if self._alone is not None:
            self._alone.close()

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _source(numbered: tuple[int, str | Path | Pixels]) -> Source:
    number, picture = numbered
    if isinstance(picture, str | Path):
        return Source(str(picture), str(picture))
    return Source(f"array {number}", picture)


def _labels(bundle: Bundle, settings: Settings) -> Labels:
    """The bundle's labels, with the gaze order asked for."""
    measured = bundle.labels.gaze_measured
    if settings.gaze_order == "measured" and measured:
        return replace(bundle.labels, gaze=measured)
    return bundle.labels
