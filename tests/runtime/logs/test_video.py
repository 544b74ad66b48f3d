"""A video's records and table: what a kill or a power cut leaves, and what others do to it."""

from dataclasses import replace

import numpy as np
import pytest

from of3.runtime.logs.frames import VideoItem
from of3.runtime.logs.items import Stamp
from of3.runtime.logs.rows import Layout
from of3.runtime.logs.video import VideoLogs, is_begun, is_of_other, place_of
from of3.runtime.types import Failure, Moment, Record, RunError, SeenFrame

VIDEO = VideoItem("in/clip.mp4", Stamp(100, 200))
LAYOUT = Layout("clip.csv", ("frame", "faces"), ",")


@pytest.fixture
def frames(result):
    """Frames of none to three faces, some of them behind a cut."""
    made = []
    for number in range(40):
        found = [result(f"{number}/{face}")[0] for face in range(number % 4)]
        faces = tuple(
            replace(each, face=rank, faces=9, size_px=(64, 48), remarks=each.remarks if rank == 0 else ())
            for rank, each in enumerate(each for each in found if isinstance(each, Record))
        )
        failure = None if faces else Failure("frame", "detect", "no face: \udcff")
        made.append(SeenFrame(Moment(number, number / 30, "pts"), faces, failure, number % 7 == 3))
    return made


def text(frame):
    return f"{frame.moment.frame},{len(frame.faces)}\n".encode()


@pytest.fixture
def opened(tmp_path, as_made):
    place = place_of(tmp_path, "sub/clip")

    def logs(run=as_made, is_anew=False):
        return VideoLogs(place, VIDEO, run, LAYOUT, is_anew, None)

    return logs


@pytest.fixture
def table(tmp_path):
    return tmp_path / "video" / "sub" / "clip.csv"


@pytest.fixture
def want(frames):
    return b"frame,faces\n" + b"".join(map(text, frames))


@pytest.fixture
def written(opened, frames):
    """Logs of all frames, in several transactions."""
    with opened() as logs:
        logs.restore([])
        for number, frame in enumerate(frames):
            logs.add(frame, text(frame))
            if number % 9 == 0:
                logs.commit()
        logs.finish()


def restore(opened):
    with opened() as logs:
        logs.restore(map(text, logs.frames()))


def test_every_frame_comes_back_as_it_was(written, opened, frames):
    with opened() as logs:
        found = list(logs.frames())
    assert len(found) == len(frames)
    for one, other in zip(found, frames, strict=True):
        assert (one.moment, one.is_cut, len(one.faces)) == (other.moment, other.is_cut, len(other.faces))
        assert (one.failure is None) == (other.failure is None)
        for face, again in zip(one.faces, other.faces, strict=True):
            assert (face.box, face.confidence, face.gaze_rad, face.probabilities, face.aus) == (
                again.box,
                again.confidence,
                again.gaze_rad,
                again.probabilities,
                again.aus,
            )
            assert np.array_equal(face.landmarks, again.landmarks) or face.landmarks is again.landmarks


def test_the_table_holds_the_rows_in_order(written, table, want):
    assert table.read_bytes() == want


@pytest.mark.parametrize("kept", [0, 5, 12, 14, 60])
def test_what_a_kill_left_out_of_the_table_is_written(written, opened, table, want, kept):
    table.write_bytes(want[:kept])
    restore(opened)
    assert table.read_bytes() == want


def test_a_table_that_is_gone_is_written_anew(written, opened, table, want):
    table.unlink()
    restore(opened)
    assert table.read_bytes() == want


def test_what_a_power_cut_left_empty_is_written(written, opened, table, want):
    table.write_bytes(want[:30] + bytes(len(want) - 30))
    restore(opened)
    assert table.read_bytes() == want


@pytest.mark.parametrize("changed", [lambda want: want.replace(b"0,0", b"0,7"), lambda want: want + b"40,1\n"])
def test_rows_of_others_are_refused_and_left(written, opened, table, want, changed):
    table.write_bytes(changed(want))
    with pytest.raises(RunError, match="pass --override to start anew"):
        restore(opened)
    assert table.read_bytes() == changed(want)


def test_another_run_is_refused_by_what_differs(written, opened, as_made):
    with pytest.raises(RunError, match=r"flags\.th_smile was 0\.5, is 0\.7"):
        opened(replace(as_made, identity={"flags": {"th_smile": 0.7}, "au": {"1": 0}}))


def test_to_start_anew_throws_away_what_is_there(written, opened, table, tmp_path):
    with opened(is_anew=True) as logs:
        assert list(logs.frames()) == []
        logs.restore([])
    assert table.read_bytes() == b"frame,faces\n"
    assert is_begun(tmp_path / "video" / "sub" / "clip")


def test_records_are_known_to_be_another_files(written, tmp_path):
    place = tmp_path / "video" / "sub" / "clip"
    assert not is_of_other(place, VIDEO)
    assert is_of_other(place, replace(VIDEO, stamp=Stamp(100, 201)))


def test_a_table_that_is_taken_away_meanwhile_ends_the_run(opened, frames, table):
    with opened() as logs:
        logs.restore([])
        logs.add(frames[0], text(frames[0]))
        logs.commit()
        table.unlink()
        logs.add(frames[1], text(frames[1]))
        with pytest.raises(OSError, match="No such file"):
            logs.commit()
        logs._pending.clear()


def test_a_row_that_is_torn_by_a_flipped_bit_is_damage(written, opened, table):
    records = table.with_suffix(".sqlite")
    content = bytearray(records.read_bytes())
    at = content.index(b"pts")
    content[at] ^= 1
    records.write_bytes(content)
    with opened() as logs, pytest.raises(RunError, match="damaged"):
        list(logs.frames())
