import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from of3.runtime.images import decode, find_images, read_bytes, read_image
from of3.runtime.types import PictureError, Source


def picture(suffix=".jpg", height=40, width=60):
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.imencode(suffix, cv2.GaussianBlur(pixels, (9, 9), 3))[1].tobytes()


def header_bomb(width, height):
    """A small PNG whose header claims width x height."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def with_orientation(jpeg, value):
    """The JPEG with an EXIF block that holds nothing but the orientation."""
    tiff = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, value, 0, 0)
    payload = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


def test_pictures_are_found_recursively_in_any_case_sorted_by_folder(tmp_path):
    for name in ("b.JPG", "a.png", "sub/c.jpeg", "sub-2/d.WebP", "sub/x.bmp", "notes.txt", "e.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "folder.jpg" / "inside.png").touch()
    found = [os.path.relpath(path, tmp_path) for path in find_images(str(tmp_path))]
    assert found == ["a.png", "b.JPG", "folder.jpg/inside.png", "sub/c.jpeg", "sub/x.bmp", "sub-2/d.WebP"]


def test_order_is_that_of_sorted_pathlib_paths(tmp_path):
    for name in ("a/b.png", "a b/c.png", "a.b/c.png", "a-b.png", "a.png", "B.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert find_images(str(tmp_path)) == [str(path) for path in sorted(tmp_path.rglob("*.png"))]


def test_a_link_loop_ends(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "a.png").touch()
    assert len(find_images(str(tmp_path))) == 1


def test_names_that_are_not_utf8_are_read(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"\xff\xfe.jpg")
    Path(os.fsdecode(path)).write_bytes(picture())
    (found,) = find_images(str(tmp_path))
    assert read_image(Source(found, found)).pixels.shape == (40, 60, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
def test_a_picture_cut_anywhere_is_truncated(suffix):
    content = picture(suffix)
    for eighth in range(1, 8):
        with pytest.raises(PictureError, match=r"^truncated: the \w+ ends early$"):
            decode(content[: len(content) * eighth // 8])


def test_each_unreadable_file_has_its_own_reason(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("hello")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    reasons = {}
    for name in ("empty", "text", "pipe", "dangling"):
        path = str(tmp_path / f"{name}.jpg")
        with pytest.raises(PictureError) as raised:
            read_image(Source(path, path))
        reasons[name] = str(raised.value)
    assert reasons == {
        "empty": "empty file",
        "text": "unreadable: not a JPEG, PNG, WebP or BMP",
        "pipe": "unreadable: not a regular file",
        "dangling": "unreadable: No such file or directory",
    }


def test_a_whole_container_of_rubbish_is_damaged():
    with pytest.raises(PictureError, match="unreadable: damaged JPEG"):
        decode(b"\xff\xd8" + b"rubbish" * 20 + b"\xff\xd9")


def test_a_header_bomb_is_refused_by_its_size(tmp_path):
    # In a process of its own: OpenCV reads its limit once, and a test before this may have imported it.
    path = tmp_path / "bomb.png"
    path.write_bytes(header_bomb(20000, 20000))
    code = f"from of3.runtime.images import *; read_image(Source('bomb', {str(path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "PictureError: too large: want at most 178956970 pixels" in done.stderr


def test_a_sparse_giant_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "giant.bmp"
    with path.open("wb") as file:
        file.truncate(2 << 30)
    with pytest.raises(PictureError, match="too large: got 2147483648 bytes"):
        read_bytes(str(path))


def test_exif_orientation_is_applied():
    content = picture()
    upright, turned = decode(content), decode(with_orientation(content, 6))
    np.testing.assert_array_equal(turned, np.rot90(upright, -1))


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 4)])
def test_grey_and_alpha_become_three_channels(shape):
    pixels = np.full(shape, 77, np.uint8)
    assert decode(cv2.imencode(".png", pixels)[1].tobytes()).shape == (40, 60, 3)


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_arrays_of_another_kind_are_refused(array):
    with pytest.raises(PictureError, match=r"want uint8 \(H,W,3\)"):
        read_image(Source("array 0", array))
