"""Pictures in, records out: the only file that knows the order of the stages."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from of3.engines.bundle import Bundle, read_bundle
from of3.engines.open import Opened, open_engine
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
# Rows per run where `Settings.batch` leaves it open.  The multitask network costs the same per face from 4 up.
# STAR on its own took 0.94 of batch 8's time and two thirds of its memory (2 cores, medians of 3).
AUTO_BATCH = {MULTITASK: 8, LANDMARKS: 1}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a pipeline does.  Zero means "as many as suit the machine"."""

    device: str = "cpu"  # "cuda" falls back to "cpu"
    precision: str = "fp32"  # of GPU engines
    detect: bool = False  # find the face first; otherwise a picture is a face
    landmarks: bool = False
    detector_resize: float = 1.0
    batch: int = 0
    workers: int = 0


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
        self.engines = _open_engines(bundle, settings)
        self.batch = settings.batch or AUTO_BATCH[MULTITASK]
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
            for batch in batches(samples, self.batch):
                yield from self._analyse(batch, aus)

    def au_scores(self, pictures: Sequence[Image]) -> Floats:
        """Whole pictures -> (N,8) AU scores in the network's output order."""
        tensors = [self._face_tensor(picture.pixels) for picture in pictures]
        outputs = self.engines[MULTITASK].engine.run(np.stack(tensors))
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
        outputs = self.engines[DETECTOR].engine.run(scene.tensor[None])
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

    def _analyse(self, batch: Sequence[Sample | Failure], aus: Mapping[int, int]) -> Iterator[Record | Failure]:
        samples = [item for item in batch if isinstance(item, Sample)]
        records = self._records(samples, aus)
        for item in batch:
            yield next(records) if isinstance(item, Sample) else item

    def _records(self, samples: Sequence[Sample], aus: Mapping[int, int]) -> Iterator[Record | Failure]:
        if samples:
            outputs = self._run(MULTITASK, [sample.tensor for sample in samples])
            points = self._landmarks(samples)
            for index, sample in enumerate(samples):
                yield attempt("analyse", partial(self._record, outputs, index, points[index], aus))(sample)

    def _record(
        self,
        outputs: Mapping[str, Floats],
        index: int,
        points: Floats | None,
        aus: Mapping[int, int],
        sample: Sample,
    ) -> Record:
        estimate = multitask.estimate(multitask.row(outputs, index), self.bundle.labels, aus)
        face = sample.face
        return Record(
            source=sample.source,
            emotion=estimate.emotion,
            probabilities=estimate.probabilities,
            gaze_rad=estimate.gaze_rad,
            aus=estimate.aus,
            raw=estimate.raw,
            box=None if face is None else detect.corners(face),
            confidence=None if face is None else face.confidence,
            landmarks=points,
        )

    def _landmarks(self, samples: Sequence[Sample]) -> list[Floats | None]:
        patches = [sample.patch for sample in samples if sample.patch is not None]
        if not patches:
            return [None] * len(samples)
        card = self.bundle.model(LANDMARKS).input
        tensors = [normalise(patch.pixels.transpose(2, 0, 1).astype(np.float32), card) for patch in patches]
        found = self._run(LANDMARKS, tensors)["landmarks"]
        return [landmarks.to_points(row, patch) for row, patch in zip(found, patches, strict=True)]

    def _run(self, model: str, tensors: Sequence[Floats]) -> Mapping[str, Floats]:
        """One batch through a model, in as many runs as its engine needs."""
        engine = self.engines[model].engine
        size = min(self.settings.batch or AUTO_BATCH[model], engine.max_batch)
        parts = [engine.run(np.stack(chunk)) for chunk in batches(tensors, size)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def close(self) -> None:
        """Stop the threads and give back the engines; the pipeline cannot run afterwards."""
        self._pool.shutdown(cancel_futures=True)
        for opened in self.engines.values():
            opened.engine.close()

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


def _open_engines(bundle: Bundle, settings: Settings) -> Mapping[str, Opened]:
    """The networks this run needs; only the costliest may spin, so the costliest comes first."""
    needed = [LANDMARKS] if settings.landmarks else []
    needed += [DETECTOR] if settings.detect or settings.landmarks else []
    needed += [MULTITASK]
    return {
        model: open_engine(
            bundle, model, settings.device, settings.precision, threads=cores(), spin=model == needed[0]
        )
        for model in needed
    }
