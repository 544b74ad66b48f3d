"""Landmarks of faces and of their mirror images, and which landmark is which in a mirror."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from of3.runtime.types import Face, Floats, Image, PictureError, Pixels, RunningDetection
from of3.runtime.vision import search
from of3.runtime.vision.detect import best_of
from of3.runtime.vision.landmarks import align, box_of, to_points
from of3.runtime.vision.sample import patch_tensor
from of3.verify.fp32 import Fp32
from of3.verify.subject import Picture

POINTS = 98
EYE_CORNERS = (60, 72)  # the outer ones
LEAST_PX = 1e-3  # between them, where a network gives all points in one place
# WFLW's landmarks that change places in a mirror; those of the middle line are their own.
PAIRED: tuple[tuple[range, range], ...] = (
    (range(16), range(32, 16, -1)),  # jaw
    (range(33, 38), range(46, 41, -1)),  # brows: above
    (range(38, 42), range(50, 46, -1)),  # and below
    (range(55, 57), range(59, 57, -1)),  # nose
    (range(60, 65), range(72, 67, -1)),  # eyes: above
    (range(65, 68), range(75, 72, -1)),  # and below
    (range(76, 79), range(82, 79, -1)),  # outer lip: above
    (range(83, 85), range(87, 85, -1)),  # and below
    (range(88, 90), range(92, 90, -1)),  # inner lip: above
    (range(93, 94), range(95, 94, -1)),  # and below
    (range(96, 97), range(97, 98)),  # pupils
)


def swapped() -> NDArray[np.int64]:
    """(98,) the landmark that each is in a mirror."""
    order = np.arange(POINTS)
    for left, right in PAIRED:
        order[list(left)], order[list(right)] = list(right), list(left)
    return order


@dataclass(frozen=True, slots=True, eq=False)
class MirroredPair:
    """A face's landmarks in pixels of its picture, and those of its mirror image brought back to it."""

    name: str
    pixels: Pixels
    straight_px: Floats  # (98,2)
    mirrored_px: Floats  # (98,2), of the mirror image, not brought back

    @property
    def back_px(self) -> Floats:
        """The mirror image's, as landmarks of the picture."""
        there = self.mirrored_px[swapped()].copy()
        there[:, 0] = self.pixels.shape[1] - 1 - there[:, 0]
        return there

    @property
    def apart(self) -> Floats:
        """(98,) how far the two are from each other, in shares of the distance of the outer eye corners."""
        first, second = self.straight_px[list(EYE_CORNERS)]
        apart_px: Floats = np.linalg.norm(self.straight_px - self.back_px, axis=1)
        return apart_px / max(float(np.linalg.norm(first - second)), LEAST_PX)


def pairs(pictures: Sequence[Picture], fp32: Fp32) -> Iterator[MirroredPair]:
    """Landmarks about the box that the detector finds in the picture, which is mirrored with it."""
    for picture in pictures:
        box_px = box_of(picture.pixels, _face(picture, fp32))
        width = picture.pixels.shape[1]
        mirrored = np.ascontiguousarray(picture.pixels[:, ::-1])
        turned_px = np.array([width - box_px[2], box_px[1], width - box_px[0], box_px[3]])
        yield MirroredPair(
            picture.name,
            picture.pixels,
            _landmarks(picture.pixels, box_px, fp32),
            _landmarks(mirrored, turned_px, fp32),
        )


def _face(picture: Picture, fp32: Fp32) -> Face | None:
    """None where the whole picture is the face."""
    image = Image(picture.name, picture.pixels)
    try:
        scene = search.scene(image, fp32.bundle.model("detector").input, 1.0)
        running = [partial(fp32.run, "detector", view.tensor[None]) for view in scene.views]
        found = search.faces(search.searched(RunningDetection(scene, running)))
    except PictureError:
        return None
    return best_of(found, "score") if found else None


def _landmarks(pixels: Pixels, box_px: NDArray[np.int64], fp32: Fp32) -> Floats:
    """Raises PictureError."""
    card, patch = fp32.bundle.model("landmarks").input, align(pixels, box_px)
    out = np.empty((1, 3, *patch.pixels.shape[:2]), np.float32)
    patch_tensor(patch, card, out[0])
    return to_points(fp32.run("landmarks", out)["landmarks"][0], patch)
