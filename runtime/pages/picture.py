"""Pixels -> what a page shows of them."""

import base64

import cv2

from of3.runtime.types import Pixels

QUALITY = 75  # of JPEG: 5 KB for a face of 160 px


def data_uri(pixels: Pixels) -> str:
    """BGR (H,W,3) -> a JPEG in a data URI: the `source` of a Figure."""
    _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
