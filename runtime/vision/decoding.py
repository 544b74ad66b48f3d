"""Encoded bytes -> pixels, as OpenCV gives them, and whether a JPEG among them is damaged.

OpenCV decodes a damaged JPEG without a word (96 % of 3 000 mutated files).  libjpeg-turbo on its own tells,
gives the same pixels, and takes three quarters of the time; what it gives OpenCV does not have to decode.

A JPEG that ends early is read as `cv2.imread` reads the file.  libjpeg's reader of files goes on with end
marks, for ever, where that of memory, which `cv2.imdecode` has, gives up; what is missing of the picture is
grey, or coarse in a progressive one.  64 KiB of end marks are as good as no end, a segment being no longer: ten
JPEGs cut at 5 262 places (sequential, progressive, with restarts, grey, CMYK, turned) gave cv2.imread's pixels,
or nothing as there, with OpenCV 4.12, 4.14 and 5.0.  One end mark misses those cut in the head of a segment.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import simplejpeg

from of3.runtime.settings import MAX_PIXELS, MAX_PIXELS_VARIABLE
from of3.runtime.types import PictureError, Pixels
from of3.runtime.vision.header import kind_of, pixels_of
from of3.runtime.vision.heif import heif_pixels
from of3.runtime.vision.orientation import BLOCKS, orientation_of, upright

NO_END = b"\xff\xd9" * 0x8000  # of a JPEG


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    pixels: Pixels  # BGR (H,W,3)
    damage: str = ""  # what a strict decoder says is wrong with it


def decode(content: bytes, max_pixels: int = MAX_PIXELS) -> Decoded:
    """A picture, the first where there are several, upright, grey and alpha made three channels.

    JPEG, PNG, WebP, BMP; TIFF and GIF, which OpenCV reads too; HEIF and AVIF with the extra `heif`.

    Raises PictureError: empty, unreadable, truncated, damaged beyond decoding, or larger than `max_pixels`;
    OpenCV has a limit of its own for what is no JPEG (`of3.runtime.settings`).
    """
    if not content:
        raise PictureError("empty file")
    if pixels_of(content) > max_pixels:
        raise PictureError(f"too large: want at most {max_pixels} pixels")
    found = _decoded(content, kind_of(content))
    return replace(found, pixels=upright(found.pixels, orientation_of(content)))


def _decoded(content: bytes, kind: str | None) -> Decoded:
    """As it lies in a JPEG, PNG or WebP; upright out of any other."""
    if kind == "JPEG":
        return _jpeg(content)
    return Decoded(heif_pixels(content, kind) if kind in ("HEIF", "AVIF") else _by_opencv(content))


def _jpeg(content: bytes) -> Decoded:
    try:
        _, _, colours, _ = simplejpeg.decode_jpeg_header(content, strict=True)
        form = "CMYK" if colours in ("CMYK", "YCCK") else "BGR"
        pixels = simplejpeg.decode_jpeg(content, form, fastdct=False, fastupsample=False, strict=True)
    except KeyError:  # of a subsampling it has no name for, 4:4:1: nobody tells whether it is damaged
        return Decoded(_by_opencv(content, NO_END))
    except ValueError as error:
        return Decoded(_by_opencv(content, NO_END), str(error))
    return Decoded(_by_opencv(content) if form == "CMYK" else pixels)  # OpenCV's conversion


def _by_opencv(content: bytes, end: bytes = b"") -> Pixels:
    """As it lies in a JPEG, PNG or WebP.  end: what is read when the content has been."""
    flags = cv2.IMREAD_COLOR | (cv2.IMREAD_IGNORE_ORIENTATION if kind_of(content) in BLOCKS else 0)
    try:
        pixels = cv2.imdecode(np.frombuffer(content + end, np.uint8), flags)
    except cv2.error as error:
        if "MAX_IMAGE" in error.err:
            raise PictureError(f"too large for OpenCV: {MAX_PIXELS_VARIABLE} sets its limit") from error
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(error.err) from error
        raise PictureError(f"unreadable: OpenCV: {error.err}") from error
    if pixels is None:
        raise PictureError(_diagnosis(content))
    return pixels.astype(np.uint8, copy=False)


def _diagnosis(content: bytes) -> str:
    """Why OpenCV gave nothing, as far as the container tells."""
    kind = kind_of(content)
    if kind is None:
        return "unreadable: not a JPEG, PNG, WebP or BMP"
    if _is_cut_short(kind, content):
        return f"truncated: the {kind} ends early"
    return f"unreadable: damaged {kind}"


def _is_cut_short(kind: str, content: bytes) -> bool:
    """Whether the container's end mark is missing, or its length field says more than there is."""
    if kind == "JPEG":
        return b"\xff\xd9" not in content[-64:]
    if kind == "PNG":
        return b"IEND" not in content[-64:]
    if kind == "WebP":
        return len(content) < int.from_bytes(content[4:8], "little") + 8
    return kind == "BMP" and (len(content) < 6 or len(content) < int.from_bytes(content[2:6], "little"))
