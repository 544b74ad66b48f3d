import subprocess
import sys

import cv2
import numpy as np
import pytest
import simplejpeg

from of3.runtime.types import PictureError
from of3.runtime.vision.decoding import decode


def picture(suffix=".jpg", height=40, width=60):
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.imencode(suffix, cv2.GaussianBlur(pixels, (9, 9), 3))[1].tobytes()


@pytest.mark.parametrize("suffix", [".png", ".webp", ".bmp"])
def test_a_picture_cut_anywhere_is_truncated(suffix):
    content = picture(suffix)
    for eighth in range(1, 8):
        with pytest.raises(PictureError, match=r"^truncated: the \w+ ends early$"):
            decode(content[: len(content) * eighth // 8])


def test_a_whole_container_of_rubbish_is_damaged():
    with pytest.raises(PictureError, match="unreadable: damaged JPEG"):
        decode(b"\xff\xd8" + b"rubbish" * 20 + b"\xff\xd9")


def test_a_header_bomb_is_refused_by_its_size(tmp_path, header_bomb):
    # In a process of its own: OpenCV reads its limit once, and a test before this may have imported it.
    path = tmp_path / "bomb.png"
    path.write_bytes(header_bomb(20000, 20000))
    code = f"from of3.runtime.vision.decoding import decode; decode(open({str(path)!r}, 'rb').read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "PictureError: too large: want at most 178956970 pixels" in done.stderr


def test_exif_orientation_is_applied(with_orientation):
    content = picture()
    upright, turned = decode(content).pixels, decode(with_orientation(content, 6)).pixels
    np.testing.assert_array_equal(turned, np.rot90(upright, -1))


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 4)])
def test_grey_and_alpha_become_three_channels(shape):
    pixels = np.full(shape, 77, np.uint8)
    assert decode(cv2.imencode(".png", pixels)[1].tobytes()).pixels.shape == (40, 60, 3)


FORMS = {
    "4:2:0": [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420],
    "4:1:1": [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411],
    "4:4:4": [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444],
    "progressive": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
    "restarts": [cv2.IMWRITE_JPEG_RST_INTERVAL, 3],
    "rough": [cv2.IMWRITE_JPEG_QUALITY, 5],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_gives_opencvs_pixels_and_no_damage(form, channels):
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (17, 250), (64, 64), (123, 45)):
        pixels = rng.integers(0, 256, (height, width, channels), np.uint8)
        content = cv2.imencode(".jpg", pixels, FORMS[form])[1]
        decoded = decode(content.tobytes())
        np.testing.assert_array_equal(decoded.pixels, cv2.imdecode(content, cv2.IMREAD_COLOR))
        assert not decoded.damage


def test_a_damaged_jpeg_is_decoded_as_opencv_does_and_told():
    content = bytearray(picture(height=200, width=200))
    middle = len(content) // 2
    content[middle : middle + 2] = b"\xff\x7f"  # no marker that may stand there
    decoded = decode(bytes(content))
    np.testing.assert_array_equal(
        decoded.pixels, cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    )
    assert decoded.damage == "Unsupported marker type 0x7f"


def cmyk_jpeg():
    content = simplejpeg.encode_jpeg(
        np.full((16, 16, 4), 90, np.uint8), colorspace="CMYK", colorsubsampling="444"
    )
    assert simplejpeg.decode_jpeg_header(content)[2] in ("CMYK", "YCCK")
    return content


def smooth():
    return cv2.GaussianBlur(np.random.default_rng(2).integers(0, 256, (120, 160, 3), np.uint8), (9, 9), 3)


def jpegs_to_cut(with_orientation):
    """By what they are."""
    forms = {**FORMS, "optimised": [cv2.IMWRITE_JPEG_OPTIMIZE, 1]}
    made = {form: cv2.imencode(".jpg", smooth(), flags)[1].tobytes() for form, flags in forms.items()}
    made["grey"] = cv2.imencode(".jpg", smooth()[..., 0])[1].tobytes()
    made["CMYK"] = simplejpeg.encode_jpeg(np.dstack([smooth(), smooth()[..., :1]]), colorspace="CMYK")
    made["turned"] = with_orientation(made["4:2:0"], 6)
    return made


def as_a_file_is_read(path, content):
    path.write_bytes(content)
    return cv2.imread(str(path))


def places(content):
    """Hundredths, the last bytes, and every byte of the segments' heads."""
    length = len(content)
    heads = {at + more for at in range(2, length) if content[at - 1] == 0xFF for more in (0, 1, 2, 3)}
    few = sorted(heads)[:: max(1, len(heads) // 200)]
    return sorted({length * part // 100 for part in range(1, 101)} | set(range(length - 20, length)) | set(few))


@pytest.mark.parametrize("form", [*FORMS, "optimised", "grey", "CMYK", "turned"])
def test_a_jpeg_cut_anywhere_gives_what_cv2_reads_from_the_file_and_is_told(form, tmp_path, with_orientation):
    content = jpegs_to_cut(with_orientation)[form]
    gave = 0
    for cut in places(content):
        want = as_a_file_is_read(tmp_path / "cut.jpg", content[:cut])
        if want is None:
            with pytest.raises(
                PictureError, match=r"^(truncated: the JPEG ends early|unreadable: damaged JPEG)$"
            ):
                decode(content[:cut])
            continue
        found = decode(content[:cut])
        np.testing.assert_array_equal(found.pixels, want, err_msg=f"cut at {cut} of {len(content)}")
        assert bool(found.damage) == (cut < len(content))
        gave += cut < len(content)
    assert gave > 50


def test_a_jpeg_of_a_rare_subsampling_is_read_and_not_called_damaged(tmp_path):
    content = bytearray(picture())
    content[content.index(b"\xff\xc0") + 11] = (
        0x14  # 4:4:1: libjpeg-turbo knows it, simplejpeg has no name for it
    )
    found = decode(bytes(content))
    np.testing.assert_array_equal(found.pixels, as_a_file_is_read(tmp_path / "rare.jpg", content))
    assert not found.damage
    with pytest.raises(PictureError, match="too large"):
        decode(bytes(content), 2399)


def test_four_channels_are_converted_as_opencv_does():
    content = cmyk_jpeg()
    decoded = decode(content)
    np.testing.assert_array_equal(
        decoded.pixels, cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    )
    assert not decoded.damage


ENCODED = {
    ".jpg": [],
    ".png": [],
    ".bmp": [],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 80],
    ".webp lossless": [cv2.IMWRITE_WEBP_QUALITY, 101],
}


@pytest.mark.parametrize("form", ENCODED)
@pytest.mark.parametrize("channels", [3, 4])
def test_the_pixel_limit_is_of_the_header(form, channels):
    for height, width in ((40, 60), (1, 300), (259, 3)):
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)
        content = cv2.imencode(form.split()[0], pixels, ENCODED[form])[1].tobytes()
        assert decode(content, height * width).pixels.shape == (height, width, 3)
        with pytest.raises(PictureError, match=f"too large: want at most {height * width - 1} pixels"):
            decode(content, height * width - 1)


def test_the_pixel_limit_holds_for_a_bmp_upside_down_and_one_of_os2():
    content = bytearray(cv2.imencode(".bmp", np.zeros((40, 60, 3), np.uint8))[1].tobytes())
    content[22:26] = (-40).to_bytes(4, "little", signed=True)
    short = b"BM" + bytes(8) + (26).to_bytes(4, "little")
    short += (12).to_bytes(4, "little") + b"".join(n.to_bytes(2, "little") for n in (60, 40, 1, 24))
    for each in (bytes(content), short + bytes(60 * 40 * 3)):
        assert decode(each, 2400).pixels.shape == (40, 60, 3)
        with pytest.raises(PictureError, match="too large"):
            decode(each, 2399)


def test_the_pixel_limit_holds_for_a_jpeg_whose_header_is_damaged():
    content = bytearray(picture(height=40, width=60))
    at = content.index(b"\xff\xdb")
    damaged = bytes(content[:at] + b"\0\0\0" + content[at:])  # extraneous bytes before a marker
    assert decode(damaged, 2400).damage
    with pytest.raises(PictureError, match="too large"):
        decode(damaged, 2399)
