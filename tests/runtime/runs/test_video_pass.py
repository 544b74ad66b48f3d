"""The table of a video and what is made of its records: the same heads, also where its frames change size."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from of3.runtime.commands.video import parse
from of3.runtime.logs.frames import VideoItem
from of3.runtime.logs.items import Stamp
from of3.runtime.logs.made import Run
from of3.runtime.logs.rows import Layout, RowOptions
from of3.runtime.logs.video import VideoLogs, place_of
from of3.runtime.runs.video_pass import Pass
from of3.runtime.sources.video import Video
from of3.runtime.tables.video_rows import stored_rows, video_columns
from of3.runtime.types import Failure, Moment, SeenFrame
from of3.runtime.vision.canonical_face import FACE_MM, POINTS
from of3.runtime.vision.pose import Camera, HeadPose, projected
from tools.made_logs import FOLLOWING, NAMES, Seed

SMALL, LARGE = (160, 160), (640, 480)
POSE = HeadPose((30.0, -20.0, 600.0), (0.1, -0.2, 0.05), 0.0)


def seen(number, size_px, camera=None):
    """A frame with a head of POSE before a camera, by default the usual one of its size."""
    record = Seed(0).record("frame")
    landmarks = np.zeros((98, 2), np.float32)
    landmarks[list(POINTS)] = projected(FACE_MM, POSE, camera or Camera.of(*size_px))
    face = replace(record, landmarks=landmarks, size_px=size_px)
    return SeenFrame(Moment(number, number / 30, "pts"), (face,), None)


def empty(number):
    return SeenFrame(Moment(number, number / 30, "pts"), (), Failure("frame", "detect", "no face"))


@pytest.fixture
def tables(write, tmp_path):
    """Frames of a video that begins small -> its rows as text, and as they are made of its records."""

    def made(frames, **flags):
        video = {**FOLLOWING, **flags}
        run = Run({"flags": {}, "video": video}, RowOptions(per_image=False, points=98), "", NAMES, {})
        path = write(tmp_path / "clip.mp4", 1, pixels=lambda number: np.zeros((*SMALL, 3), np.uint8))
        place = place_of(tmp_path, "clip")
        item, layout = VideoItem(path, Stamp(1, 1)), Layout("clip.csv", ("frame",), ",")
        with Video(path) as opened, VideoLogs(place, item, run, layout, True, None) as logs:
            gone_through = Pass(parse([path, "--logs", "logs", "--of3_root", "root"]), run, opened)
            texts = [gone_through.text(frame) for frame in frames]
            for frame, text in zip(frames, texts, strict=True):
                logs.add(frame, text)
            logs.finish()
            stored = list(stored_rows(logs.store, 98))
        names = [column.name for column in video_columns(98)]
        table = list(csv.DictReader(io.StringIO(b"".join(texts).decode()), names))
        return table, [dict(zip(names, row, strict=True)) for row in stored]

    return made


def pose_of(row):
    if row["pose_Tx"] in ("", None):
        return None
    names = ("pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz")
    return tuple(float(row[name]) for name in names)


WANT = pytest.approx((*POSE.translation_mm, *POSE.rotation_rad), abs=0.01, rel=0.01)


@pytest.mark.parametrize("sizes_px", [(SMALL, LARGE), (LARGE, LARGE), (LARGE, SMALL), (None, LARGE)])
def test_each_frame_is_seen_by_the_camera_of_its_own_size(tables, sizes_px):
    frames = [seen(number, size) if size else empty(number) for number, size in enumerate(sizes_px)]
    for rows in tables(frames):
        poses = [pose_of(row) for row in rows]
        assert poses == [None if size is None else WANT for size in sizes_px]


def test_a_camera_that_is_given_is_that_of_every_size(tables):
    given = Camera(700.0, 710.0, 200.0, 220.0)
    frames = [seen(number, size, given) for number, size in enumerate((SMALL, LARGE))]
    for rows in tables(frames, fx=700.0, fy=710.0, cx=200.0, cy=220.0):
        assert [pose_of(row) for row in rows] == [WANT] * 2


def test_of_a_camera_that_is_given_in_part_the_rest_follows_the_size(tables):
    frames = [
        seen(number, size, replace(Camera.of(*size), fx_px=700.0)) for number, size in enumerate((SMALL, LARGE))
    ]
    for rows in tables(frames, fx=700.0):
        assert [pose_of(row) for row in rows] == [WANT] * 2
