"""Videos -> lines: nothing that stands out is lost, and no line goes where there was no face."""

from math import degrees, isnan

import pytest

from of3.runtime.report.lines import CHANNELS, Lines
from of3.runtime.report.videos import MOST_FOLLOWED, VideoFound, lines_for
from of3.runtime.tracks.follower import Follower, Following
from of3.runtime.tracks.watched import watched
from of3.runtime.vision.pose import Camera
from tools.made_logs import RATE, SIZE_PX, frames

CAMERA = Camera.of(*SIZE_PX)


@pytest.fixture(scope="module")
def seen():
    """20 s of three people, two of whom are away now and then."""
    follower = Follower(Following(camera=CAMERA))
    return [watched(frame, follower) for frame in frames("v", 20 * RATE, 3)]


def lines_of(seen, step):
    lines = Lines(step)
    for frame in seen:
        lines.add(frame)
    lines.end()
    return lines


def values(seen, face_id, channel):
    """By frame."""
    faces = ((frame.moment.frame, face) for frame in seen for face in frame.faces if face.face_id == face_id)
    return {number: channel(face) for number, face in faces}


def test_a_point_a_frame_is_what_the_frame_holds(seen):
    lines = lines_of(seen, 1)
    au12 = values(seen, 0, lambda face: face.record.aus[12])
    yaw = values(seen, 0, lambda face: degrees(face.record.gaze_rad["yaw"]))
    pose = values(seen, 0, lambda face: degrees(face.found.pose.rotation_rad[1]))
    for channel, want in (("AU12", au12), ("gaze yaw", yaw), ("Ry", pose)):
        at = CHANNELS.index(channel)
        assert [point.low[at] for point in lines.faces[0].points] == pytest.approx(list(want.values()))
        assert [point.high[at] for point in lines.faces[0].points] == pytest.approx(list(want.values()))


@pytest.mark.parametrize("step", [2, 7, 50])
def test_no_peak_is_lost_to_a_coarser_line(seen, step):
    fine, coarse = lines_of(seen, 1), lines_of(seen, step)
    assert list(coarse.faces) == list(fine.faces)
    for face_id, line in coarse.faces.items():
        assert len(line.points) <= len(fine.faces[face_id].points) // step + 10
        for at in range(len(CHANNELS)):
            every = fine.faces[face_id].points
            assert max(point.high[at] for point in line.points) == max(point.high[at] for point in every)
            assert min(point.low[at] for point in line.points) == min(point.low[at] for point in every)


def test_a_line_is_broken_where_its_face_was_away(seen):
    lines = lines_of(seen, 1)
    columns = lines.columns()
    rows = list(zip(columns["face"], columns["AU12"], strict=True))
    assert lines.shown == [0, 1, 2]
    gaps = [sum(face == str(face_id) and value is None for face, value in rows) for face_id in lines.shown]
    assert gaps[0] == 0 and gaps[1] >= 3 and gaps[2] >= 3


def test_blinks_are_told_by_when_they_began_and_ended(seen):
    lines = lines_of(seen, 50)
    assert len(lines.faces[0].blinks_s) == 9  # every two seconds, but none in the first
    assert all(0 <= end_s - start_s < 0.3 for start_s, end_s in lines.faces[0].blinks_s)
    assert lines.faces[0].blinks_s[0][0] == pytest.approx(2.0, abs=0.1)


def test_where_no_pose_is_measured_none_is_drawn(seen):
    follower = Follower(Following())
    lines = lines_of([watched(frame, follower) for frame in frames("v", 30, 1)], 1)
    assert all(isnan(point.low[CHANNELS.index("Ry")]) for point in lines.faces[0].points)


def test_a_video_of_any_length_costs_as_much_as_one_of_its_share():
    long = VideoFound("v", {}, frames=1_000_000, expected=3_000_000)
    lines = lines_for(long, 1)
    assert 3_000_000 / long.every <= MOST_FOLLOWED
    assert 1_000_000 / long.every / lines.step <= 600
    short = VideoFound("v", {}, frames=300, expected=900)
    assert (lines_for(short, 1), short.every) == (Lines(1, 0), 1)
