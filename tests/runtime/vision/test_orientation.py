"""A folder of every way that a file may say which way up it is, read as Pillow's `exif_transpose` shows it."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest

from of3.runtime.types import Source
from of3.runtime.vision.images import read_image
from of3.runtime.vision.orientation import upright

TAG = 0x112
SHORT, LONG, BYTE = 3, 4, 1


def corners():
    """A picture of four colours, that looks different each way up."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20, :30], pixels[:20, 30:], pixels[20:, :30] = (200, 30, 30), (30, 200, 30), (30, 30, 200)
    return pixels


def tiff(value, order="<", kind=SHORT, count=1):
    """EXIF data that holds nothing but an orientation."""
    shown = struct.pack(f"{order}HH", value, 0) if kind != LONG else struct.pack(f"{order}I", value)
    entry = struct.pack(f"{order}HHI", TAG, kind, count) + shown
    return mark(order) + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)


def mark(order):
    return b"II*\0" if order == "<" else b"MM\0*"


def of_a_thumbnail(value, order="<"):
    """The orientation is in IFD1, another tag in IFD0."""
    other = struct.pack(f"{order}HHI", 0x131, 2, 4) + b"abc\0"
    first = struct.pack(f"{order}IH", 8, 1) + other + struct.pack(f"{order}I", 26)
    return mark(order) + first + tiff(value, order)[8:]


def twice(first, second):
    entries = [struct.pack("<HHIHH", TAG, SHORT, 1, value, 0) for value in (first, second)]
    return mark("<") + struct.pack("<IH", 8, 2) + b"".join(entries) + bytes(4)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encoded(suffix, *flags):
    return cv2.imencode(suffix, corners(), list(flags))[1].tobytes()


def jpeg(exif, prefix=b"Exif\0\0"):
    content, body = encoded(".jpg"), prefix + exif
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + content[2:]


def png(*chunks, at=33):
    content = encoded(".png")
    return content[:at] + b"".join(chunks) + content[at:]


def profile(exif, prefix=b"Exif\0\0"):
    """As ImageMagick writes it."""
    digits = (prefix + exif).hex().encode()
    lines = [digits[at : at + 72] for at in range(0, len(digits), 72)]
    return b"\n".join([b"", b"exif", b"%8d" % (len(digits) // 2), *lines, b""])


def text(exif, name=b"Raw profile type exif", prefix=b"Exif\0\0"):
    return chunk(b"tEXt", name + b"\0" + profile(exif, prefix))


def webp(exif, quality=101, flags=8):
    parts = b"VP8X" + struct.pack("<II", 10, flags) + (59).to_bytes(3, "little") + (39).to_bytes(3, "little")
    parts += encoded(".webp", cv2.IMWRITE_WEBP_QUALITY, quality)[12:]
    parts += b"EXIF" + struct.pack("<I", len(exif)) + exif + bytes(len(exif) % 2)
    return b"RIFF" + struct.pack("<I", len(parts) + 4) + b"WEBP" + parts


CARRIERS = {
    "app1.jpg": jpeg,
    "eXIf.png": lambda exif: png(chunk(b"eXIf", exif)),
    "eXIf_last.png": lambda exif: png(chunk(b"eXIf", exif), at=-12),
    "eXIf_prefix.png": lambda exif: png(chunk(b"eXIf", b"Exif\0\0" + exif)),
    "text.png": lambda exif: png(text(exif)),
    "text_last.png": lambda exif: png(text(exif), at=-12),
    "text_bare.png": lambda exif: png(text(exif, prefix=b"")),
    "packed.png": lambda exif: png(chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile(exif)))),
    "itext.png": lambda exif: png(chunk(b"iTXt", b"Raw profile type exif\0\0\0\0\0" + profile(exif))),
    "itext_packed.png": lambda exif: png(
        chunk(b"iTXt", b"Raw profile type exif\0\1\0\0\0" + zlib.compress(profile(exif)))
    ),
    "lossless.webp": webp,
    "lossless_prefix.webp": lambda exif: webp(b"Exif\0\0" + exif),
    "lossy.webp": lambda exif: webp(exif, 90),
    "lossy_prefix.webp": lambda exif: webp(b"Exif\0\0" + exif, 90),
}
# What no EXIF data, or none that counts, is in for both Pillow and OpenCV.
LYING = {
    "no_prefix.jpg": jpeg(tiff(6), prefix=b""),
    "app1_profile.png": png(text(tiff(6), name=b"Raw profile type APP1")),
    "unannounced.webp": webp(tiff(6), flags=0),
}
# What Pillow shows otherwise, or cannot open: (data, number by which it is to be turned).
MALFORMED = {
    "byte": (tiff(6, kind=BYTE), 6),
    "no_values": (tiff(6, count=0), 6),
    "cut_behind_it": (tiff(6)[:20], 6),
    "bad_magic": (tiff(6).replace(b"II*\0", b"II+\0"), 1),
    "no_order": (tiff(6).replace(b"II*\0", b"XX*\0"), 1),
}
WELL_FORMED = {
    **{f"{order}{value}": tiff(value, order) for order in "<>" for value in (*range(10), 255, 65535)},
    **{f"{order}long": tiff(6, order, LONG) for order in "<>"},
    **{f"{order}two_values": tiff(6, order, count=2) for order in "<>"},
    **{f"{order}thumbnail": of_a_thumbnail(6, order) for order in "<>"},
    "twice": twice(6, 1),
    "nothing": b"",
    "cut_before_it": tiff(6)[:17],
    "beyond": mark("<") + struct.pack("<I", 0x7FFFFFFF),
}


def seen(pixels):
    """The colours at the corners, whichever codec they went through."""
    inside = pixels[[8, 8, -8, -8], [8, -8, 8, -8]]
    return pixels.shape, (inside > 128).tolist()


def read(path):
    return seen(read_image(Source(str(path), str(path))).pixels)


def by_pillow(path):
    images = pytest.importorskip("PIL.Image", reason="compared where Pillow is installed")
    from PIL import ImageOps

    with images.open(io.BytesIO(path.read_bytes())) as image:
        return seen(np.asarray(ImageOps.exif_transpose(image).convert("RGB"))[..., ::-1])


@pytest.mark.filterwarnings("ignore:(Metadata Warning|Corrupt EXIF data)")  # Pillow's, of what is odd
def test_a_picture_is_as_pillow_shows_it_wherever_its_orientation_stands(tmp_path):
    turned = 0
    for name, exif in WELL_FORMED.items():
        for carrier, made in CARRIERS.items():
            path = tmp_path / f"{name}_{carrier}"
            path.write_bytes(made(exif))
            assert read(path) == by_pillow(path), path.name
            turned += read(path) != seen(corners())
    assert turned == len(CARRIERS) * (7 * 2 + 4 + 1)


@pytest.mark.parametrize("name", LYING)
def test_what_neither_pillow_nor_opencv_takes_for_an_orientation_turns_nothing(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(LYING[name])
    content = np.frombuffer(LYING[name], np.uint8)
    assert read(path) == by_pillow(path) == seen(cv2.imdecode(content, cv2.IMREAD_COLOR)) == seen(corners())


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_shown_as_opencv_does(name, tmp_path):
    exif, number = MALFORMED[name]
    want = seen(upright(corners(), number))
    for carrier, made in CARRIERS.items():
        path = tmp_path / f"{name}_{carrier}"
        path.write_bytes(made(exif))
        assert read(path) == want, path.name
    content = np.frombuffer(jpeg(exif), np.uint8)
    assert seen(cv2.imdecode(content, cv2.IMREAD_COLOR)) == want


@pytest.mark.parametrize("first", [1, 6])
def test_the_first_of_two_counts_and_a_png_s_own_before_its_text(first, tmp_path):
    second = 7 - first
    found = {
        "two.jpg": jpeg(tiff(first))[: -len(encoded(".jpg")) + 2] + jpeg(tiff(second))[2:],
        "two.png": png(chunk(b"eXIf", tiff(first)), chunk(b"eXIf", tiff(second))),
        "text.png": png(text(tiff(second)), chunk(b"eXIf", tiff(first))),
    }
    for name, content in found.items():
        (tmp_path / name).write_bytes(content)
        assert read(tmp_path / name) == seen(upright(corners(), first)), name


def test_broken_carriers_turn_nothing_and_cost_nothing(tmp_path):
    bomb = zlib.compress(b"\n" * (64 << 20))
    digits = b"Raw profile type exif\0\nexif\n 3\n"
    broken = {
        "digits.png": png(chunk(b"tEXt", digits + b"zz")),
        "odd.png": png(chunk(b"tEXt", digits + b"abc")),
        "bytes.png": png(chunk(b"tEXt", digits + b"\xff\xfe")),
        "unpacked.png": png(chunk(b"zTXt", b"Raw profile type exif\0\0rubbish")),
        "bomb.png": png(chunk(b"zTXt", b"Raw profile type exif\0\0" + bomb)),
        "checksum.png": png(chunk(b"eXIf", tiff(6))[:-1] + b"!"),
    }
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
        assert read(tmp_path / name) == seen(corners()), name
