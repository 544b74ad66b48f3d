"""Damaged and outsized pictures through `of3 run`."""

import csv

import cv2
import numpy as np
import pytest


@pytest.fixture
def damaged(aligned):
    """A JPEG in `aligned` that still decodes, with a marker that may not stand there."""
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    content = bytearray(cv2.imencode(".jpg", pixels)[1].tobytes())
    content[len(content) // 2 : len(content) // 2 + 2] = b"\xff\x7f"
    (aligned / "damaged.jpg").write_bytes(content)
    return str(aligned / "damaged.jpg")


def row_of(out, path):
    with (out / "openface3.csv").open(newline="") as file:
        (found,) = (row for row in csv.DictReader(file) if row["path"] == path)
    return found


def test_a_damaged_jpeg_is_a_row_and_a_line_among_the_errors(run, out, damaged):
    assert run() == 0
    assert row_of(out, damaged)["success"] == "1"
    line = f"{damaged}\tread\tdamaged: Unsupported marker type 0x7f\n"
    assert line in (out / "errors.tsv").read_text()


def test_damaged_jpegs_can_be_rejected(run, out, damaged):
    assert run("--reject_damaged", "on") == 0
    assert row_of(out, damaged)["success"] == "0"
    assert not (out / "per_image" / "damaged.tsv").exists()
    line = f"{damaged}\tread\tdamaged: Unsupported marker type 0x7f\n"
    assert (out / "errors.tsv").read_text().count(line) == 1


@pytest.mark.parametrize("cut", [2, 50])
def test_a_jpeg_without_its_end_is_a_row_as_the_original_gave_unless_rejected(run, out, aligned, cut):
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    path = aligned / "short.jpg"
    path.write_bytes(cv2.imencode(".jpg", pixels)[1].tobytes()[:-cut])
    assert run() == 0
    assert row_of(out, str(path))["success"] == "1"
    line = f"{path}\tread\tdamaged: Premature end of JPEG file\n"
    assert line in (out / "errors.tsv").read_text()
    assert run("--reject_damaged", "on", "--override") == 0
    assert row_of(out, str(path))["success"] == "0"
    assert line in (out / "errors.tsv").read_text()


def test_other_suffixes_are_taken_when_asked_for(run, out, aligned):
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    (aligned / "a.TIF").write_bytes(cv2.imencode(".tif", pixels)[1].tobytes())
    (aligned / "b.jpg?w=200").write_bytes(cv2.imencode(".jpg", pixels)[1].tobytes())
    (aligned / "c.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert run("--suffixes", "tif,.jpg?w=200,heic") == 0
    with (out / "openface3.csv").open(newline="") as file:
        found = {row["file"]: row["success"] for row in csv.DictReader(file)}
    assert found == {"a.TIF": "1", "b.jpg?w=200": "1", "c.heic": "0"}
    assert f"{aligned / 'c.heic'}\tread\tunreadable: " in (out / "errors.tsv").read_text()


def test_the_pixel_limit_is_the_users(run, out, damaged):
    assert run("--max_pixels", "4095") == 0
    assert row_of(out, damaged)["success"] == "0"
    assert f"{damaged}\tread\ttoo large: want at most 4095 pixels" in (out / "errors.tsv").read_text()
