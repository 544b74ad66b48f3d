import csv
import json
import logging
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from of3.engines.manifest import read_bundle
from of3.runtime.bundle import is_published, weights_of
from of3.runtime.logs.counts import Counts
from of3.runtime.remarks import IMPLAUSIBLE, LARGE, TILTED
from of3.runtime.runs.messages import after, summary

SHARED = Path(__file__).resolve().parents[4] / "shared"
needs_faces = pytest.mark.skipif(
    not SHARED.exists(), reason="needs photographs and detector weights of ../shared"
)


def read(path):
    pixels = cv2.imread(str(path))
    assert pixels is not None
    return pixels


def counts(done=0, failed=None, **more):
    return Counts(
        done, failed=Counter(failed or {}), first_failed="in/a.jpg: no face" if failed else "", **more
    )


def said(counted, is_cropped=True, faces="best"):
    return [line for _, line in after(counted, 0, 1.0, Path("logs/openface3"), is_cropped, faces)]


def test_a_run_in_which_nothing_is_doubtful_ends_with_two_lines():
    assert said(counts(10)) == ["done 10, failed 0, 10.0 images/s", "logs: logs/openface3"]


def test_pictures_of_several_faces_are_told_where_their_faces_are():
    best = "2 pictures of more than one face: openface3.csv has the best-scoring one"
    several = counts(9, several_faces=2)
    assert f"{best} (--faces all: every one)" in said(several, is_cropped=False)
    assert f"{best}, openface3_faces.csv every one" in said(several, is_cropped=False, faces="all")
    assert f"{best}, openface3_faces.csv the 3 best" in said(several, is_cropped=False, faces="3")
    assert "2 pictures of more than one face: the whole picture is taken for one" in said(several)


def test_where_nothing_succeeded_the_first_reason_is_told():
    assert "no picture succeeded; the first: in/a.jpg: no face" in said(counts(0, {"no face": 3}))
    assert not any("succeeded" in line for line in said(counts(1, {"no face": 3})))


@pytest.mark.parametrize(
    ("counted", "is_cropped", "words"),
    [
        (
            counts(9, several_faces=2),
            False,
            "2 pictures of more than one face: openface3.csv has the best-scoring one",
        ),
        (counts(9, remarked=Counter({LARGE: 1})), False, "1 picture with a face beyond 450 px"),
        (counts(9, remarked=Counter({TILTED: 3})), False, "3 pictures with a face on its side or upside down"),
        (
            counts(9, remarked=Counter({IMPLAUSIBLE: 4})),
            True,
            "4 pictures with numbers that no face has: pass --skip",
        ),
        (counts(9, remarked=Counter({IMPLAUSIBLE: 4})), False, "no face has: are those faces?"),
    ],
)
def test_what_is_doubtful_is_one_line_with_the_count_and_a_remedy(counted, is_cropped, words):
    (line,) = (line for line in said(counted, is_cropped)[1:-1])
    assert words in line


@pytest.mark.parametrize("reasons", [1, 3, 30])
def test_a_summary_fits_a_terminal_whatever_failed(reasons):
    failed = {f"a reason of some length {number}": 1_000 - number for number in range(reasons)}
    line = summary(counts(1_000_000, failed, damaged=10_000), 100_000, 1e4)
    assert len(f"of3: {line}") <= 80
    assert line.endswith(" images/s")


def test_weights_that_are_not_the_published_ones_are_told_by_name(bundle_copy):
    manifest = bundle_copy / "bundle.json"
    document = json.loads(manifest.read_text())

    def told(stand_in, *statuses):
        document["stand_in"] = stand_in
        for entry, status in zip(document["weights"], statuses, strict=True):
            entry["status"] = status
        manifest.write_text(json.dumps(document))
        bundle = read_bundle(bundle_copy)
        return is_published(bundle), weights_of(bundle)

    names = [entry["file"] for entry in document["weights"]]
    usual = ["published"] * len(names)
    assert told(True, *usual) == (False, "STAND-IN WEIGHTS: the numbers mean nothing about faces")
    assert told(False, *usual)[0]
    assert told(False, "unknown", *usual[1:]) == (False, f"weights: NOT the published ones: {names[0]}")


@pytest.fixture
def scenes(aligned):
    """One face twice as it is, once far too large, once on its side; and two faces in one picture."""
    for path in aligned.rglob("*.*"):
        path.unlink()
    face = read(SHARED / "cases" / "02_big_face" / "single_face.jpg")
    other = read(SHARED / "data" / "of3_root" / "images" / "16.jpg")
    other = cv2.copyMakeBorder(other, 100, 100, 100, 100, cv2.BORDER_REPLICATE)
    cv2.imwrite(str(aligned / "usual.png"), face)
    cv2.imwrite(
        str(aligned / "large.png"), cv2.resize(face, None, fx=4.76, fy=4.76, interpolation=cv2.INTER_CUBIC)
    )
    cv2.imwrite(str(aligned / "sideways.png"), np.ascontiguousarray(np.rot90(other, -1)))
    height = min(len(face), len(other))
    cv2.imwrite(str(aligned / "two.png"), np.hstack([face[:height], other[:height]]))
    return aligned


@needs_faces
def test_faces_that_are_large_tilted_or_several_are_told_and_stay(run, out, scenes, permuted_root, caplog):
    caplog.set_level(logging.INFO, "of3")
    assert run("--skip_detect", "off", "--extra_csv", "on", root=permuted_root) == 0
    counted = json.loads((out / "run.json").read_text())["counts"]
    assert (counted["done"], counted["large"], counted["tilted"], counted["several_faces"]) == (4, 1, 1, 2)
    with (out / "errors.tsv").open() as file:
        (note,) = csv.DictReader(file, delimiter="\t")
    assert note["path"].endswith("sideways.png") and note["stage"] == "detect"
    assert 60 < float(note["reason"].removeprefix("tilted: ").removesuffix(" degrees")) < 120
    with (out / "openface3_boxes.csv").open() as file:
        boxes = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    faces = {name: int(row["faces"]) for name, row in boxes.items()}
    assert faces.pop("large.png") > 1  # parts of it are taken for faces
    assert faces == {"sideways.png": 1, "two.png": 2, "usual.png": 1}
    for words in (
        "1 picture with a face beyond 450 px",
        "1 picture with a face on its side",
        "2 pictures of more",
    ):
        assert caplog.text.count(words) == 1


@needs_faces
def test_a_smaller_picture_gives_a_large_face_its_box(run, out, scenes, permuted_root):
    (scenes / "two.png").unlink()
    boxes = {}
    for factor in ("1.0", "0.25", "auto"):
        flags = ["--skip_detect", "off", "--extra_csv", "on", "--override", "--detector_resize", factor]
        assert run(*flags, root=permuted_root) == 0
        with (out / "openface3_boxes.csv").open() as file:
            boxes[factor] = {Path(row["path"]).name: float(row["h"]) for row in csv.DictReader(file)}
    usual = boxes["1.0"]["usual.png"]
    assert boxes["0.25"]["large.png"] == pytest.approx(4.76 * usual, rel=0.1)
    assert boxes["auto"]["large.png"] == pytest.approx(4.76 * usual, rel=0.05)
    assert boxes["auto"]["usual.png"] == usual
    assert boxes["1.0"]["large.png"] < 0.8 * 4.76 * usual
    assert json.loads((out / "run.json").read_text())["counts"]["large"] == 0
