import base64

import cv2
import numpy as np
import pytest

from of3.runtime.logs.items import stamp_of
from of3.runtime.report.batch import Spot
from of3.runtime.report.thumbnails import SIDE_PX, Thumbnails, shown_of
from tools.made_logs import drawn


def pixels_in(uri):
    beginning, _, encoded = uri.partition(",")
    assert beginning == "data:image/jpeg;base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_COLOR)


def spot_at(path, box=None, **more):
    return Spot(path, stamp_of(path), box, **more)


@pytest.fixture
def path(tmp_path):
    return drawn(tmp_path, ["a <b>.jpg"])[0]


def test_a_face_is_cut_out_with_its_surroundings(path):
    thumbnails, spot = Thumbnails(), spot_at(path, (240.0, 160.0, 400.0, 320.0))
    thumbnails.read([spot])
    assert pixels_in(thumbnails.of(spot)).shape == (SIDE_PX, SIDE_PX, 3)


@pytest.mark.parametrize("box", [(-1e9, -1e9, 1e9, 1e9), (-50.0, -50.0, -10.0, -10.0), (0.0, 0.0, 0.1, 0.1)])
def test_a_box_that_is_nowhere_does_no_harm(box):
    assert max(shown_of(np.zeros((48, 64, 3), np.uint8), box).shape) <= SIDE_PX


def test_what_is_missing_or_was_changed_or_is_no_picture_has_none(path, tmp_path):
    (tmp_path / "none.jpg").write_text("none")
    changed = Spot(path, stamp_of(str(tmp_path / "none.jpg")), None)
    spots = [
        Spot(str(tmp_path / "missing.jpg"), changed.stamp, None),
        changed,
        spot_at(str(tmp_path / "none.jpg")),
    ]
    thumbnails = Thumbnails()
    thumbnails.read(spots)
    assert [thumbnails.of(spot) for spot in spots] == ["", "", ""]
    assert (thumbnails.missing, thumbnails.changed, len(thumbnails)) == (1, 1, 0)


def test_frames_of_a_video_are_those_that_are_asked_for(write, drawn, number_in, tmp_path):
    path = write(tmp_path / "v.mp4", 40)
    spots = [spot_at(path, frame=number) for number in (0, 7, 39)]
    thumbnails = Thumbnails()
    thumbnails.read(spots)
    found = [pixels_in(thumbnails.of(spot)) for spot in spots]
    assert [number_in(pixels) for pixels in found] == [0, 7, 39]


def test_a_page_holds_so_many_bytes_of_them(path, monkeypatch):
    monkeypatch.setattr("of3.runtime.report.thumbnails.MOST_BYTES", 1)
    spots = [spot_at(path), spot_at(path, (240.0, 160.0, 400.0, 320.0))]
    thumbnails = Thumbnails()
    thumbnails.read(spots)
    assert sorted(bool(thumbnails.of(spot)) for spot in spots) == [False, True]
