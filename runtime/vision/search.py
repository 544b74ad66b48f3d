"""The sizes at which faces are looked for in a picture, and what was found at each as one list.

RetinaFace sees a face right in a range of sizes: beyond 400 to 450 px in what it is fed its box is wrong, at an
undiminished confidence, below 80 px it is less exact (docs/reference/data.md has the table).  `auto` looks at
the picture as it is and at quarters of that, until nothing in it can be larger than the detector sees right.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import inf, sqrt

import cv2
import numpy as np

from of3.engines.bundle import InputCard
from of3.runtime.settings import Resize
from of3.runtime.types import Face, Image, RunningDetection, Scene, Searched, Seen, View
from of3.runtime.vision import detect

STEP = 4
MOST_PX = 400.0  # of a face in a view that has a coarser one beside it
LEAST_PX = 80.0  # of a face in a view that has a finer one: 320 there, so that no face lies between the two
# Of a face inside a larger one's box that a coarser view saw: it is a part of that, such as an eye.
MOST_INSIDE = 0.5


def factors(height_px: int, width_px: int) -> list[float]:
    """What a picture is resized by, the finest first.

    One of more pixels than the detector takes begins at what it takes, instead of being refused.
    """
    made = [min(1.0, sqrt(detect.MAX_FED_PIXELS / (height_px * width_px)))]
    longer_px, shorter_px = max(height_px, width_px), min(height_px, width_px)
    while longer_px * made[-1] > MOST_PX and shorter_px * made[-1] >= STEP:
        made.append(made[-1] / STEP)
    return made


def fed_pixels(pixels: int, resize: Resize) -> float:
    """Of all views of a picture of so many, at most."""
    if resize != "auto":
        return pixels * resize**2
    return min(pixels, detect.MAX_FED_PIXELS) / (1 - 1 / STEP**2)


def scene(image: Image, card: InputCard, resize: Resize) -> Scene:
    """An image and its views.  card: of the detector.  Raises PictureError as `detect.view` does."""
    if resize != "auto":
        return Scene(image, [detect.view(image, card, resize)])
    return Scene(image, [_view(image, card, factor) for factor in factors(*image.pixels.shape[:2])])


def _view(image: Image, card: InputCard, factor: float) -> View:
    """By the mean of what becomes a pixel: of sixteen in a row a linear filter would look at two."""
    if factor == 1.0:
        return detect.view(image, card, factor)
    resized = partial(cv2.resize, dsize=None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    smaller = Image(image.source, resized(image.pixels).astype(np.uint8, copy=False))
    return replace(detect.view(smaller, card, 1.0), factor=factor)


def searched(running: RunningDetection) -> Searched:
    """Wait for the detector; what it was fed, larger than the picture, is let go."""
    seen = list[Seen]()
    for view, outputs in zip(running.scene.views, running.outputs, strict=True):
        _, height_px, width_px = view.tensor.shape
        seen.append(Seen(height_px, width_px, view.factor, outputs()))
    return Searched(running.scene.image, seen)


def faces(picture: Searched) -> list[Face]:
    """Of all views, in pixels of the picture, the best first.  Raises PictureError as `detect.faces` does."""
    return merged(
        [detect.faces(seen.outputs, seen.height_px, seen.width_px, seen.factor) for seen in picture.seen]
    )


def merged(views: Sequence[Sequence[Face]]) -> list[Face]:
    """The faces of each view, the finest first -> those of the picture, the best first.

    A view's faces of sizes that another view sees better are dropped; of a face in two of them, the coarser's.
    """
    kept: list[Face] = []
    for number in reversed(range(len(views))):
        least_px = LEAST_PX if number > 0 else 0.0
        most_px = MOST_PX if number < len(views) - 1 else inf
        right = [face for face in views[number] if not (face.fed_px < least_px or face.fed_px > most_px)]
        kept += [face for face in right if not any(inside(face, larger) > MOST_INSIDE for larger in kept)]
    ranked = sorted(kept, key=lambda face: -face.confidence)
    return [replace(face, rank=rank) for rank, face in enumerate(ranked)]


def inside(face: Face, other: Face) -> float:
    """The share of a face's box that lies inside another's, [0, 1]."""
    box, around = face.box_px.astype(np.float64), other.box_px.astype(np.float64)
    common = np.minimum(box[2:], around[2:]) - np.maximum(box[:2], around[:2])
    area = float((box[2:] - box[:2]).prod())
    return float(np.maximum(common, 0).prod()) / area if area > 0 else 0.0
