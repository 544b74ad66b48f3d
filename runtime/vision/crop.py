"""A face's tight crop, clamped to the picture."""

import numpy as np

from of3.runtime.types import Face, PictureError, Pixels


def crop(pixels: Pixels, face: Face) -> Pixels:
    """The pixels inside the box, corners truncated to whole pixels as upstream does.

    A corner outside the picture is clamped: as a negative index it would wrap round and leave nothing.
    Raises PictureError when no pixel is inside.
    """
    x1, y1, x2, y2 = np.maximum(face.box_px.astype(np.int64), 0)
    inside = pixels[y1:y2, x1:x2]
    if not inside.size:
        raise PictureError("zero-area crop: the face box holds no pixel of the picture")
    return inside
