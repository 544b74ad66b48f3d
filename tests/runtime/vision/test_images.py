import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from of3.runtime.types import PictureError, Source
from of3.runtime.vision.images import read_bytes, read_image


def picture(suffix=".jpg", height=40, width=60):
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.imencode(suffix, cv2.GaussianBlur(pixels, (9, 9), 3))[1].tobytes()


def test_names_that_are_not_utf8_are_read(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"\xff\xfe.jpg")
    Path(os.fsdecode(path)).write_bytes(picture())
    found = os.fsdecode(path)
    assert read_image(Source(found, found)).pixels.shape == (40, 60, 3)


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


def test_a_sparse_giant_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "giant.bmp"
    with path.open("wb") as file:
        file.truncate(2 << 30)
    with pytest.raises(PictureError, match="too large: got 2147483648 bytes"):
        read_bytes(str(path))


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_arrays_of_another_kind_are_refused(array):
    with pytest.raises(PictureError, match=r"want uint8 \(H,W,3\)"):
        read_image(Source("array 0", array))
