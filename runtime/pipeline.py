"""Pictures in, records out: the only file that knows the order of the stages."""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from of3.engines.base import Wait
from of3.engines.bundle import Bundle, Labels, read_bundle
from of3.engines.fallback import Fallback
from of3.engines.open import Choice, open_engine
from of3.runtime import crop, detect, images, landmarks, multitask
from of3.runtime.resample import resample
from of3.runtime.stream import batches, ordered_map
from of3.runtime.tensor import normalise
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

MULTITASK, DETECTOR, LANDMARKS = "multitask", "detector", "landmarks"
CROP_PX = 224
# Rows per run where `Settings.batch` leaves it open.  On the CPU the multitask network costs the same per face
# from 4 up; STAR on its own took 0.94 of batch 8's time and two thirds of its memory (2 cores, medians of 3).
CPU_BATCH = {MULTITASK: 8, LANDMARKS: 1}
GPU_BATCH = {MULTITASK: 32, LANDMARKS: 32}  # what `of3 build` makes plans for


@dataclass(frozen=True, slots=True)
class Settings:
    """What a pipeline does.  Zero means "as many as suit the machine"."""

    device: str = "cpu"  # "cuda" falls back to "cpu"
    engine: str = "auto"  # or "tensorrt", "cuda", "cpu": where to begin
    is_required: bool = False  # no falling back
    precision: str = "fp32"  # of GPU engines
    tf32: bool = False  # of GPU engines: fp32 products may be rounded to TF32
    gaze_order: str = "seed"  # or "measured", where the export found one
    detect: bool = False  # find the face first; otherwise a picture is a face
    landmarks: bool = False
    detector_resize: float = 1.0
    batch: int = 0
    workers: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Started:
    """A batch, and the networks at work on it."""

    batch: Sequence[Sample | Failure]
    faces: Wait
    landmarks: Wait


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
            return step(item)
        except PictureError as error:
            return Failure(item.source, stage, str(error))
        except Exception as error:  # one picture costs one row, whatever it did
            log.debug("%s: %s", item.source, stage, exc_info=True)
            return Failure(item.source, stage, f"{type(error).__name__}: {error}")

    return guarded


class Pipeline:
    """Open engines and the worker threads that feed them.  Use as a context manager, from one thread."""

    def __init__(self, bundle: Bundle, settings: Settings):
        """Raises BundleError or EngineUnavailable."""
        self.bundle = bundle
        self.settings = settings
        self.labels = _labels(bundle, settings)
        self.engines = _open_engines(bundle, settings)
        self.batch = self._rows(MULTITASK)
        workers = settings.workers or cores()
        self._ahead = workers + 1  # pictures decoded and waiting; each may be large
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="of3")

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
        with threadpool_limits(1, user_api="blas"):  # the workers are the parallelism
            sources = map(_source, enumerate(pictures))
            samples = self._from_faces(sources) if DETECTOR in self.engines else self._from_wholes(sources)
            started: deque[Started] = deque()
            for batch in batches(samples, self.batch):
                started.append(self._start(batch))
                if len(started) >= self.engines[MULTITASK].slots:
                    yield from self._finish(started.popleft(), aus)
            for last in started:
                yield from self._finish(last, aus)

    def au_scores(self, pictures: Sequence[Image]) -> Floats:
        """Whole pictures -> (N,8) AU scores in the network's output order."""
        tensors = [self._face_tensor(picture.pixels) for picture in pictures]
        outputs = self._begin(MULTITASK, tensors)()
        return np.stack([multitask.row(outputs, index).au for index in range(len(tensors))])

    def _from_wholes(self, sources: Iterable[Source]) -> Iterator[Sample | Failure]:
        """Every picture is a face: read and resample in one go, so that no decoded picture waits."""
        read = attempt("read", images.read_image)
        prepare = attempt("resample", self._whole)
        return self._threads(lambda source: prepare(read(source)), sources, self._ahead + self.batch)

    def _from_faces(self, sources: Iterable[Source]) -> Iterator[Sample | Failure]:
        """Read, detect, crop and resample; the detector runs here, between its two rounds of threads."""
        read, frame = attempt("read", images.read_image), attempt("detect", self._scene)
        locate = attempt("detect", self._locate)
        scenes = self._threads(lambda source: frame(read(source)), sources, self._ahead)
        return self._threads(attempt("crop", self._sample), map(locate, scenes), self._ahead)

    def _threads(self, step: Callable[[A], B], items: Iterable[A], ahead: int) -> Iterator[B]:
        return ordered_map(self._pool, step, items, ahead)

    def _scene(self, image: Image) -> Scene:
        card = self.bundle.model(DETECTOR).input
        return detect.scene(image, card, self.settings.detector_resize)

    def _locate(self, scene: Scene) -> Located:
        outputs = self.engines[DETECTOR].run(scene.tensor[None])
        height, width = scene.tensor.shape[1:]
        found = detect.faces(outputs, height, width, self.settings.detector_resize)
        face = detect.best_face(found)
        if face is None and self.settings.detect:
            raise PictureError("no face")
        return Located(scene.source, scene.pixels, face)

    def _whole(self, image: Image) -> Sample:
        return self._sample(Located(image.source, image.pixels, None))

    def _sample(self, located: Located) -> Sample:
        face = located.face if self.settings.detect else None
        pixels = located.pixels if face is None else crop.crop(located.pixels, face)
        return Sample(located.source, self._face_tensor(pixels), face, self._patch(located))

    def _face_tensor(self, pixels: Pixels) -> Floats:
        return normalise(resample(pixels, CROP_PX), self.bundle.model(MULTITASK).input)

    def _patch(self, located: Located) -> Patch | None:
        if LANDMARKS not in self.engines:
            return None
        return landmarks.align(located.pixels, landmarks.box_of(located.pixels, located.face))

    def _start(self, batch: Sequence[Sample | Failure]) -> Started:
        """Hand a batch to the networks, which may work on it while the next is made ready."""
        samples = [item for item in batch if isinstance(item, Sample)]
        patches = [sample.patch for sample in samples if sample.patch is not None]
        return Started(
            batch,
            self._begin(MULTITASK, [sample.tensor for sample in samples]),
            self._begin(LANDMARKS, [self._patch_tensor(patch) for patch in patches]),
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
        )

    def _patch_tensor(self, patch: Patch) -> Floats:
        card = self.bundle.model(LANDMARKS).input
        return normalise(patch.pixels.transpose(2, 0, 1).astype(np.float32), card)

    def _rows(self, model: str) -> int:
        """Rows of one run of a model."""
        engine = self.engines[model]
        best = (CPU_BATCH if engine.kind == "cpu" else GPU_BATCH)[model]
        return min(self.settings.batch or best, engine.max_batch)

    def _begin(self, model: str, tensors: Sequence[Floats]) -> Wait:
        """Start a batch on a model; in several runs, one after the other, where it is more than one takes."""
        if not tensors:
            return dict
        rows = self._rows(model)
        if len(tensors) <= rows:
            return self.engines[model].start(np.stack(tensors))
        parts = [self.engines[model].run(np.stack(chunk)) for chunk in batches(tensors, rows)]
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return lambda: joined

    def close(self) -> None:
        """Stop the threads and give back the engines; the pipeline cannot run afterwards."""
        self._pool.shutdown(cancel_futures=True)
        for engine in self.engines.values():
            engine.close()

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def cores() -> int:
    """Processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


def _open_engines(bundle: Bundle, settings: Settings) -> Mapping[str, Fallback]:
    """The networks this run needs; only the costliest may spin, so the costliest comes first."""
    needed = [LANDMARKS] if settings.landmarks else []
    needed += [DETECTOR] if settings.detect or settings.landmarks else []
    needed += [MULTITASK]
    choice = Choice(settings.device, settings.engine, settings.is_required, settings.precision, settings.tf32)
    return {
        model: open_engine(bundle, model, choice, threads=cores(), spin=model == needed[0]) for model in needed
    }
