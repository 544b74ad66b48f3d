"""Pixels -> what a page shows of them."""

import base64

import cv2
import numpy as np

from of3.runtime.types import Pixels

QUALITY = 75  # of JPEG: 5 KB for a face of 160 px


def scaled(pixels: Pixels, longer_px: int) -> Pixels:
    """BGR (H,W,3) -> its longer side of `longer_px`, the other a pixel at least, however thin it is."""
    height, width = pixels.shape[:2]
    factor = longer_px / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def data_uri(pixels: Pixels) -> str:
    """BGR (H,W,3) -> a JPEG in a data URI: the `source` of a Figure."""
    _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
