"""What each stage does to a picture, on the networks that are open: one arrow a method."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from of3.engines.base import Wait
from of3.engines.bundle import Bundle, Labels
from of3.runtime.boundary import or_failure
from of3.runtime.networks import DETECTOR, LANDMARKS, MULTITASK, Networks
from of3.runtime.settings import Settings
from of3.runtime.types import (
    Detection,
    Failure,
    Floats,
    Image,
    Patch,
    PictureError,
    Pixels,
    Record,
    Sample,
    Scene,
    Source,
)
from of3.runtime.vision import crop, detect, images, landmarks, multitask
from of3.runtime.vision.resample import resample
from of3.runtime.vision.tensor import normalise, planes_of

CROP_PX = 224

K = TypeVar("K")


@dataclass(frozen=True, slots=True, eq=False)
class RunningDetection:
    """A scene, and the detector at work on it."""

    scene: Scene
    found: Wait

    @property
    def source(self) -> str:
        return self.scene.source


@dataclass(frozen=True, slots=True, eq=False)
class RunningBatch(Generic[K]):
    """Pictures with their keys, and the networks at work on them."""

    batch: Sequence[tuple[K, Sample | Failure]]
    faces: Wait
    landmarks: Wait


class Stages:
    """A picture's way, step by step.  Raises what a step's own module says, PictureError for its picture."""

    def __init__(self, bundle: Bundle, settings: Settings):
        """Raises BundleError or EngineUnavailable."""
        self.bundle, self.settings = bundle, settings
        self.labels = _labels(bundle, settings)
        self.networks = Networks(bundle, settings)

    def read(self, source: Source) -> Image:
        image = images.read_image(source)
        if image.damage and self.settings.reject_damaged:
            raise PictureError(f"damaged: {image.damage}")
        return image

    def scene(self, image: Image) -> Scene:
        card = self.bundle.model(DETECTOR).input
        return detect.scene(image, card, self.settings.detector_resize)

    def search(self, scene: Scene) -> RunningDetection:
        return RunningDetection(scene, self.networks.start(DETECTOR, [scene.tensor]))

    def locate(self, running: RunningDetection) -> Detection:
        scene = running.scene
        height, width = scene.tensor.shape[1:]
        found = detect.faces(running.found(), height, width, self.settings.detector_resize)
        face = detect.best_face(found)
        if face is None and self.settings.detect:
            raise PictureError("no face")
        return Detection(scene.image, face)

    def whole(self, image: Image) -> Sample:
        """A picture that is a face, without looking for one."""
        return self.sample(Detection(image, None))

    def sample(self, detection: Detection) -> Sample:
        face = detection.face if self.settings.detect else None
        image = detection.image
        pixels = image.pixels if face is None else crop.crop(image.pixels, face)
        return Sample(image.source, image.damage, self.face_tensor(pixels), face, self._patch(detection))

    def face_tensor(self, pixels: Pixels) -> Floats:
        return normalise(resample(pixels, CROP_PX), self.bundle.model(MULTITASK).input)

    def _patch(self, detection: Detection) -> Patch | None:
        if LANDMARKS not in self.networks:
            return None
        pixels = detection.image.pixels
        return landmarks.align(pixels, landmarks.box_of(pixels, detection.face))

    def start(self, batch: Sequence[tuple[K, Sample | Failure]]) -> RunningBatch[K]:
        """Hand a batch to the networks, which may work on it while the next is made ready."""
        samples = [item for _, item in batch if isinstance(item, Sample)]
        patches = [sample.patch for sample in samples if sample.patch is not None]
        return RunningBatch(
            batch,
            self.networks.start(MULTITASK, [sample.tensor for sample in samples]),
            self.networks.start(LANDMARKS, [self._patch_tensor(patch) for patch in patches]),
        )

    def _patch_tensor(self, patch: Patch) -> Floats:
        return normalise(planes_of(patch.pixels), self.bundle.model(LANDMARKS).input)

    def finish(
        self, running: RunningBatch[K], au_to_index: Mapping[int, int]
    ) -> Iterator[tuple[K, Record | Failure]]:
        """Wait for a batch's networks; its results in order."""
        outputs, found = running.faces(), running.landmarks()
        rows = iter(range(len(running.batch)))
        for key, item in running.batch:
            if isinstance(item, Failure):
                yield key, item
                continue
            index = next(rows)
            points = None if item.patch is None else found["landmarks"][index]
            record = partial(self._record, outputs, index, points, au_to_index)
            yield or_failure("analyse", record)((key, item))

    def _record(
        self,
        outputs: Mapping[str, Floats],
        index: int,
        points: Floats | None,
        au_to_index: Mapping[int, int],
        sample: Sample,
    ) -> Record:
        estimate = multitask.estimate(multitask.row(outputs, index), self.labels, au_to_index)
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


def _labels(bundle: Bundle, settings: Settings) -> Labels:
    """The bundle's labels, with the gaze order asked for."""
    measured = bundle.labels.gaze_measured
    if settings.gaze_order == "measured" and measured:
        return replace(bundle.labels, gaze=measured)
    return bundle.labels
