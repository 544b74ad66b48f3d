"""What `--suffixes` may ask for besides: TIFF and GIF, which OpenCV reads, HEIF and AVIF with the extra."""

import io
import subprocess
import sys

import cv2
import numpy as np
import pytest

from of3.runtime.types import PictureError
from of3.runtime.vision.decoding import decode
from of3.runtime.vision.header import kind_of, pixels_of

Image = pytest.importorskip("PIL.Image", reason="written, and compared, with Pillow")
from PIL import ImageOps  # noqa: E402 - which is there

ORIENTATION = 0x112


def smooth():
    return cv2.GaussianBlur(np.random.default_rng(3).integers(0, 256, (40, 64, 3), np.uint8), (9, 9), 3)


def written(form, pixels=None, **options):
    """BGR pixels as Pillow writes them."""
    content = io.BytesIO()
    Image.fromarray((smooth() if pixels is None else pixels)[..., ::-1]).save(content, form, **options)
    return content.getvalue()


def by_pillow(content):
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))[..., ::-1]


def turned(number):
    exif = Image.Exif()
    exif[ORIENTATION] = number
    return exif


@pytest.mark.parametrize(
    "options", [{}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}, {"exif": turned(6)}]
)
def test_a_tiff_is_as_pillow_shows_it(options):
    content = written("TIFF", **options)
    np.testing.assert_array_equal(decode(content).pixels, by_pillow(content))


@pytest.mark.parametrize("form", ["TIFF", "GIF"])
def test_the_first_of_several_frames_is_taken(form):
    more = Image.fromarray(255 - smooth()[..., ::-1])
    content = written(form, save_all=True, append_images=[more])
    np.testing.assert_array_equal(decode(content).pixels, by_pillow(content))


def test_sixteen_bits_are_scaled_as_opencv_does():
    deep = smooth().astype(np.uint16) * 257
    np.testing.assert_array_equal(decode(cv2.imencode(".tif", deep)[1].tobytes()).pixels, smooth())


@pytest.mark.parametrize("number", range(1, 9))
def test_an_avif_is_turned_as_pillow_shows_it(number):
    content = written("AVIF", quality=90, exif=turned(number))
    np.testing.assert_array_equal(decode(content).pixels, by_pillow(content))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_a_heif_is_as_pillow_shows_it(mode):
    heif = pytest.importorskip("pillow_heif", reason="the extra heif is not installed")
    heif.register_heif_opener()
    content = io.BytesIO()
    Image.fromarray(smooth()[..., ::-1]).convert(mode).save(content, "HEIF", quality=90)
    np.testing.assert_array_equal(decode(content.getvalue()).pixels, by_pillow(content.getvalue()))
    with pytest.raises(PictureError, match="unreadable: damaged HEIF"):
        decode(content.getvalue()[: len(content.getvalue()) // 2])


@pytest.mark.parametrize("form", ["TIFF", "GIF", "AVIF"])
def test_the_pixel_limit_is_of_the_header(form):
    content = written(form)
    assert kind_of(content) == form
    assert pixels_of(content) == 40 * 64
    assert decode(content, 2560).pixels.shape == (40, 64, 3)
    with pytest.raises(PictureError, match="too large"):
        decode(content, 2559)


def test_a_damaged_one_has_its_reason():
    for form in ("TIFF", "AVIF"):
        content = written(form)
        with pytest.raises(PictureError, match=f"unreadable: damaged {form}"):
            decode(content[: len(content) // 2])


def test_without_the_extra_a_heif_costs_its_row_with_the_command_that_installs_it():
    code = (
        "import sys\nsys.modules.update({'PIL': None, 'pillow_heif': None})\n"
        "from of3.runtime.vision.decoding import decode\n"
        "for brand in (b'heic', b'avif'):\n"
        "    try: decode(b'\\0\\0\\0\\x18ftyp' + brand + b'\\0\\0\\0\\0mif1' + brand)\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"PictureError unreadable: {kind} needs an extra: pip install 'of3[heif]'" for kind in ("HEIF", "AVIF")
    ]
