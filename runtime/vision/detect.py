"""Faces of a picture by RetinaFace: what it is fed, and its outputs decoded.

Decoding follows Pytorch_Retinaface (layers/functions/prior_box.py, utils/box_utils.py, utils/nms/py_cpu_nms.py)
except that priors are those of the tensor that was fed, so that any resize factor works.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from of3.engines.bundle import InputCard
from of3.runtime.types import (
    Detection,
    Face,
    Floats,
    Image,
    PictureError,
    Pixels,
    View,
)
from of3.runtime.vision.outputs import MOST_PX, plausible, within
from of3.runtime.vision.tensor import bgr, normalise, planes_of

STRIDES_PX = (8, 16, 32)
PRIOR_SIDES_PX = ((16, 32), (64, 128), (256, 512))
VARIANCES = (0.1, 0.2)
CANDIDATE_SCORE = 0.02
MAX_IOU = 0.4
MIN_CONFIDENCE = 0.5
NO_FACE = "no face"
ALIKE = 1e-3  # scores that do not tell which face is the better one
MAX_FED_PIXELS = 50_000_000  # the network takes 36 bytes for each (measured at 12 and 48 megapixels)


def view(image: Image, card: InputCard, factor: float) -> View:
    """An image resized by `factor` and normalised for the detector."""
    height, width = image.pixels.shape[:2]
    if height * width * factor * factor > MAX_FED_PIXELS:
        raise PictureError(
            f"too large: {width}x{height} pixels at detector_resize {factor:g}, "
            f"want at most {MAX_FED_PIXELS} to look for a face: pass a smaller detector_resize"
        )
    if round(min(height, width) * factor) < 1:
        raise PictureError(f"detector_resize {factor:g} leaves nothing of {width}x{height} pixels")
    tensor = np.empty((3, round(height * factor), round(width * factor)), np.float32)
    fill = planes_of if factor == 1.0 else partial(_resize, factor=factor)
    fill(image.pixels, bgr(tensor, card))
    normalise(tensor, card)
    return View(tensor, factor)


def _resize(pixels: Pixels, out: Floats, factor: float) -> None:
    """(H,W,3) -> planes (3,h,w); one colour at a time, so that no more than one is there in full as floats."""
    resized = partial(cv2.resize, dsize=None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    for channel, plane in enumerate(out):
        plane[...] = resized(pixels[..., channel].astype(np.float32))


def priors(height: int, width: int) -> Floats:
    """(P,4) centre x, centre y, width, height as shares of the fed picture, by stride, row, column, size."""
    return priors_at(height, width, np.arange(prior_count(height, width)))


def prior_count(height: int, width: int) -> int:
    return sum(-(-height // stride) * -(-width // stride) * len(PRIOR_SIDES_PX[0]) for stride in STRIDES_PX)


def priors_at(height: int, width: int, chosen: NDArray[np.int64]) -> Floats:
    """(N,4) of a picture's priors, by their numbers (N,): all of them are as large as the picture."""
    out, before = np.empty((len(chosen), 4)), 0
    for stride, sides in zip(STRIDES_PX, PRIOR_SIDES_PX, strict=True):
        rows, columns = -(-height // stride), -(-width // stride)
        count = rows * columns * len(sides)
        here = (chosen >= before) & (chosen < before + count)
        cell, size = np.divmod(chosen[here] - before, len(sides))
        row, column = np.divmod(cell, columns)
        out[here, 0] = (column + 0.5) * stride / width
        out[here, 1] = (row + 0.5) * stride / height
        out[here, 2] = np.array(sides)[size] / width
        out[here, 3] = np.array(sides)[size] / height
        before += count
    return out.astype(np.float32)


def decode_boxes(loc: Floats, prior: Floats) -> Floats:
    """(P,4) network values -> x1, y1, x2, y2 as shares of the fed picture (SSD, arXiv 1512.02325)."""
    centre = prior[:, :2] + loc[:, :2] * np.float32(VARIANCES[0]) * prior[:, 2:]
    size = prior[:, 2:] * np.exp(loc[:, 2:] * np.float32(VARIANCES[1]))
    corner = centre - size / 2
    return np.concatenate([corner, corner + size], axis=1)


def decode_points(landms: Floats, prior: Floats) -> Floats:
    """(P,10) network values -> five points (P,5,2) as shares of the fed picture."""
    offset = landms.reshape(-1, 5, 2) * np.float32(VARIANCES[0])
    return prior[:, None, :2] + offset * prior[:, None, 2:]


def nms(boxes_px: Floats, scores: Floats, max_iou: float) -> list[int]:
    """Greedy non-maximum suppression: indices kept, best first.  Areas count both border pixels (+1)."""
    order = scores.argsort()[::-1]  # as upstream, so that ties fall the same way
    sides = boxes_px[:, 2:] - boxes_px[:, :2] + 1
    areas = sides[:, 0] * sides[:, 1]
    keep = []
    while order.size:
        best, rest = order[0], order[1:]
        keep.append(int(best))
        low = np.maximum(boxes_px[best, :2], boxes_px[rest, :2])
        high = np.minimum(boxes_px[best, 2:], boxes_px[rest, 2:])
        overlap = np.maximum(high - low + 1, 0).prod(axis=1)
        iou = overlap / (areas[best] + areas[rest] - overlap)
        order = rest[iou <= max_iou]
    return keep


def faces(outputs: Mapping[str, Floats], height: int, width: int, factor: float) -> list[Face]:
    """Outputs for a fed picture of height x width -> its faces of confidence 0.5 and more, best first.

    Boxes and points are in original pixels.  Raises PictureError where outputs cannot be a detector's.
    """
    loc, conf, landms = (plausible(name, outputs[name][0]) for name in ("loc", "conf", "landms"))
    wanted = prior_count(height, width)
    if len(conf) != wanted:
        raise PictureError(f"the network gave {len(conf)} boxes for {width}x{height} pixels, want {wanted}")
    candidates = np.flatnonzero(conf[:, 1] > CANDIDATE_SCORE)
    prior, scores = priors_at(height, width, candidates), conf[candidates, 1]
    # OpenCV samples at pixel/factor whatever the rounded size is, so the factor alone leads back.
    scale = np.array([width, height], np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # stand-ins' boxes, whose sides are powers of noise
        fed = decode_boxes(loc[candidates], prior) * np.tile(scale, 2)
        boxes = fed / np.float32(factor)
        sides_px = (fed[:, 2:] - fed[:, :2]).max(axis=1, initial=0)
        points = decode_points(landms[candidates], prior) * scale / np.float32(factor)
        found = [i for i in nms(boxes, scores, MAX_IOU) if scores[i] >= MIN_CONFIDENCE]
    return [
        Face(boxes[i], float(scores[i]), points[i], rank, float(sides_px[i])) for rank, i in enumerate(found)
    ]


def choose(image: Image, found: Sequence[Face], best_face: str, is_required: bool) -> Detection:
    """An image and its best face.  Raises PictureError: there is none and one is required, or it cannot be.

    best_face: "score", as the original; "larger": the largest of those whose score is within 0.001 of the best.
    """
    if not found and is_required:
        raise PictureError(NO_FACE)
    return checked(Detection(image, best_of(found, best_face) if found else None, len(found)))


def best_of(found: Sequence[Face], best_face: str) -> Face:
    """The one that `choose` takes of some, the best first."""
    alike = [face for face in found if found[0].confidence - face.confidence < ALIKE]
    return max(alike, key=_area) if best_face == "larger" else found[0]


def checked(detection: Detection) -> Detection:
    """The same.  Raises PictureError: a number of its face cannot be."""
    if detection.face is not None:
        within(MOST_PX, "the face's box", detection.face.box_px)
        within(MOST_PX, "the face's points", detection.face.points_px)
    return detection


def _area(face: Face) -> float:
    x1, y1, x2, y2 = corners(face)
    return (x2 - x1) * (y2 - y1)


def corners(face: Face) -> tuple[float, float, float, float]:
    """x1, y1, x2, y2 of the box as plain numbers, in pixels."""
    x1, y1, x2, y2 = face.box_px.tolist()
    return x1, y1, x2, y2
