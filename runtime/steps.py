"""What is done to a picture, or to a batch of faces, as the settings ask; on any thread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

import numpy as np

from of3.engines.bundle import Bundle, Labels
from of3.runtime.boundary import or_failure
from of3.runtime.budget import Budget, cost_bytes, default_bytes
from of3.runtime.networks import DETECTOR, LANDMARKS, MULTITASK, Networks
from of3.runtime.settings import Settings
from of3.runtime.types import Analysed, Detection, Failure, Floats, Image, K, Record, Sample, Scene, Searched
from of3.runtime.vision import detect, search
from of3.runtime.vision.images import Encoded, decoded
from of3.runtime.vision.multitask import numbers_of, record_of
from of3.runtime.vision.sample import CROP_PX, face_tensor, sample_of, size_px

Results = Sequence[tuple[K, Record | Failure]]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A picture's faces, the best first, unchecked; taken: which of them counts where one is asked for."""

    image: Image
    faces: Sequence[Detection]
    taken: int = 0

    @property
    def source(self) -> str:
        return self.image.source


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Of a pipeline: none of them keeps anything."""

    bundle: Bundle
    settings: Settings
    networks: Networks  # of which only is asked which are there

    def budget(self) -> Budget:
        return Budget(self.settings.memory_bytes or default_bytes(self.settings.cores))

    def cost_bytes(self, picture: Encoded | Failure) -> int:
        pixels = 0 if isinstance(picture, Failure) else picture.pixels
        if pixels > self.settings.max_pixels:  # is not decoded
            return 0
        resize = self.settings.detector_resize
        fed = search.fed_pixels(pixels, resize) if DETECTOR in self.networks else 0
        return cost_bytes(pixels, fed, self.networks.is_on_cpu(DETECTOR) if fed else True)

    def decoded(self, picture: Encoded) -> Image:
        return decoded(picture, self.settings.reject_damaged, self.settings.max_pixels)

    def scene(self, image: Image) -> Scene:
        return search.scene(image, self.bundle.model(DETECTOR).input, self.settings.detector_resize)

    def one_face(self, searched: Searched) -> Detection:
        """Raises PictureError: there is none and one is required, or it cannot be."""
        settings = self.settings
        return detect.choose(searched.image, search.faces(searched), settings.best_face, settings.detect)

    def every_face(self, searched: Searched, most: int) -> Found:
        """The best of them, at most so many (0: all), the one that is taken among them.

        Where a picture is taken for a face, that one.  Raises PictureError.
        """
        if not self.settings.detect:
            return Found(searched.image, [self.one_face(searched)])
        found = search.faces(searched)
        if not found:
            return Found(searched.image, ())
        taken, picked = detect.best_of(found, self.settings.best_face), found[: most or None]
        if taken.rank >= len(picked):
            picked[-1] = taken
        faces = [Detection(searched.image, face, len(found)) for face in picked]
        return Found(searched.image, faces, picked.index(taken))

    def whole(self, image: Image, out: Floats) -> Sample:
        face_tensor(image.pixels, self.bundle.model(MULTITASK).input, out)
        return Sample(image.source, image.damage, out, None, None, size_px=size_px(image.pixels))

    def wholes(self, images: Sequence[Image]) -> Floats:
        """As the multitask network takes them: (N,3,224,224)."""
        faces = np.empty((len(images), 3, CROP_PX, CROP_PX), np.float32)
        for image, out in zip(images, faces, strict=True):
            self.whole(image, out)
        return faces

    def sample(self, detection: Detection) -> Sample:
        card, is_cropped = self.bundle.model(MULTITASK).input, self.settings.detect
        return sample_of(detection, card, is_cropped, has_patch=LANDMARKS in self.networks)


def results_of(batch: Analysed[K], labels: Labels, au_to_index: Mapping[int, int]) -> Results[K]:
    """A batch's results in order.  au_to_index: by which the action units are read."""
    numbers = numbers_of(batch.faces)
    record = partial(record_of, numbers=numbers, points=batch.points, labels=labels, au_to_index=au_to_index)
    results, rows = list[tuple[K, Record | Failure]](), count()
    for key, item in batch.items:
        if isinstance(item, Failure):
            results.append((key, item))
        else:
            results.append(or_failure("analyse", partial(record, row=next(rows)))((key, item)))
    return results
