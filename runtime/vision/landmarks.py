"""Landmarks by STAR: a square of the picture brought to 256x256, and the network's points brought back."""

import cv2
import numpy as np
from numpy.typing import NDArray

from of3.runtime.types import Face, Floats, Patch, Pixels
from of3.runtime.vision.outputs import plausible

SIDE_PX = 256
MARGIN = 1.05


def box_of(pixels: Pixels, face: Face | None) -> NDArray[np.int64]:
    """The face's box as truncated integers, not clamped; the whole picture where there is no usable face."""
    if face is not None:
        box = face.box_px.astype(np.int64)
        if min(box[2] - box[0], box[3] - box[1]) > 0:
            return box
    return np.array([0, 0, pixels.shape[1], pixels.shape[0]], np.int64)


def align(pixels: Pixels, box_px: NDArray[np.int64]) -> Patch:
    """The square of side 1.05*min(w,h) about the box's centre, at 256x256; outside the picture it is black.

    Same map as upstream's STAR/demo.py GetCropMatrix: the centre goes to (127.5, 127.5).
    """
    x1, y1, x2, y2 = (float(side) for side in box_px)
    step = MARGIN * min(x2 - x1, y2 - y1) / SIDE_PX  # picture pixels per patch pixel
    middle = (SIDE_PX - 1) / 2
    left, top = (x1 + x2) / 2 - middle * step, (y1 + y2) / 2 - middle * step
    to_image = np.array([[step, 0.0, left], [0.0, step, top]])
    scale, tx, ty = 1 / step, middle - (x1 + x2) / 2 / step, middle - (y1 + y2) / 2 / step
    # Single precision as upstream's, so that the same pixels round the same way.
    to_patch = np.array([[scale, 0.0, tx], [0.0, scale, ty], [0.0, 0.0, 1.0]], np.float32)
    warped = cv2.warpPerspective(pixels, to_patch, (SIDE_PX, SIDE_PX), flags=cv2.INTER_LINEAR)
    return Patch(warped.astype(np.uint8, copy=False), to_image)


def to_points(landmarks: Floats, patch: Patch) -> Floats:
    """Network output (N,2) in [-1,1] -> (N,2) x, y in pixels of the picture.  Raises PictureError.

    The network's grid is align-corners while this de-normalisation is not: upstream's convention, kept.
    """
    in_patch = ((plausible("landmarks", landmarks).astype(np.float64) + 1) * SIDE_PX - 1) / 2
    return (in_patch @ patch.to_image[:, :2].T + patch.to_image[:, 2]).astype(np.float32)
