"""A picture and its face -> all that the networks need of it, so that its pixels can be let go."""

import numpy as np

from of3.engines.bundle import InputCard
from of3.runtime.types import Detection, Floats, Patch, Pixels, Sample
from of3.runtime.vision.crop import crop
from of3.runtime.vision.landmarks import align, box_of
from of3.runtime.vision.resample import resample
from of3.runtime.vision.tensor import bgr, normalise, planes_of

CROP_PX = 224


def sample_of(detection: Detection, card: InputCard, is_cropped: bool, has_patch: bool) -> Sample:
    """card: of the multitask network.  is_cropped: take the face's box, not the whole picture.

    has_patch: landmarks are wanted, of the box or the whole picture.  Raises PictureError: nothing is inside.
    """
    image, face = detection.image, detection.face if is_cropped else None
    pixels = image.pixels if face is None else crop(image.pixels, face)
    patch = align(image.pixels, box_of(image.pixels, detection.face)) if has_patch else None
    tensor = np.empty((3, CROP_PX, CROP_PX), np.float32)
    face_tensor(pixels, card, tensor)
    return Sample(image.source, image.damage, tensor, face, patch, detection.faces, size_px(image.pixels))


def size_px(pixels: Pixels) -> tuple[int, int]:
    """(H,W,3) -> width, height."""
    return pixels.shape[1], pixels.shape[0]


def face_tensor(pixels: Pixels, card: InputCard, out: Floats) -> None:
    """(H,W,3) -> out (3,224,224) as the card asks."""
    resample(pixels, bgr(out, card))
    normalise(out, card)


def patch_tensor(patch: Patch, card: InputCard, out: Floats) -> None:
    """(256,256,3) -> out (3,256,256) as the card asks."""
    planes_of(patch.pixels, bgr(out, card))
    normalise(out, card)
