"""HEIF and AVIF -> pixels, by Pillow: OpenCV reads no HEIF, and leaves lying an AVIF that is to be turned."""

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from of3.runtime.types import PictureError, Pixels

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

BROKEN = (OSError, SyntaxError, ValueError, RuntimeError, EOFError)  # what Pillow raises of damaged files


def heif_pixels(content: bytes, kind: str) -> Pixels:
    """BGR (H,W,3) of the first picture, upright; alpha is left out and grey made three channels as OpenCV does.

    kind: "HEIF" or "AVIF".  Raises PictureError: damaged, or the extra is not installed.
    """
    try:
        from PIL import ImageOps

        with _opened(content, kind) as image:
            rgb = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except ImportError as error:
        raise PictureError(f"unreadable: {kind} needs an extra: pip install 'of3[heif]'") from error
    except BROKEN as error:
        raise PictureError(f"unreadable: damaged {kind}: {error}") from error
    return np.ascontiguousarray(rgb[..., ::-1])


def _opened(content: bytes, kind: str) -> "PillowImage":
    """Not by Image.open, which warns from half of our limit of pixels on."""
    if kind == "AVIF":
        from PIL.AvifImagePlugin import AvifImageFile

        return AvifImageFile(BytesIO(content))
    import pillow_heif

    make: Callable[[BytesIO], PillowImage] = pillow_heif.HeifImageFile
    return make(BytesIO(content))
