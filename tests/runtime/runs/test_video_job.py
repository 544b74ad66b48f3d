"""`of3 video`, on videos that are made here; stand-in networks see faces in noise, and none in plain grey."""

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from of3.runtime.commands.video import main, parse
from of3.runtime.logs.store import open_store
from of3.runtime.pipeline import Pipeline
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.video_session import VideoSession
from of3.runtime.runs.videos import VideoFile
from of3.runtime.runs.watch import Watching, seen, watch
from of3.runtime.settings import Settings
from of3.runtime.sources.frames import Frame
from of3.runtime.sources.video import Video
from of3.runtime.types import Analysis
from of3.runtime.vision.pose import Camera

GREY_PX = np.full((144, 192, 3), 60, np.uint8)
PATIENCE_S = 120
KINDS = (".csv", ".parquet")
MOMENT = ("frame", "timestamp", "time_source", "success")
# fmt: off
COLUMNS = [
    "frame", "timestamp", "time_source", "face_id", "confidence", "success", "box_x", "box_y", "box_w", "box_h",
    "gaze_yaw", "gaze_pitch", "pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz", "pose_error_px",
    "emotion", "emotion_neutral", "emotion_happy", "emotion_sad", "emotion_surprise", "emotion_fear",
    "emotion_disgust", "emotion_anger", "emotion_contempt",
    "AU01", "AU02", "AU04", "AU06", "AU09", "AU12", "AU25", "AU26", "eye_open_left", "eye_open_right", "blink",
]
# fmt: on


def noise(seed=3, height=144, width=192):
    grains = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    smooth = cv2.GaussianBlur(grains, (0, 0), 1.5).astype(np.float32)
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


def wandering(number):
    """Noise that moves to the right, a pixel a frame."""
    return np.roll(noise(), number, axis=1)


def with_gaps(number):
    """Every third frame is empty, which is a cut before it and behind it."""
    return GREY_PX if number % 3 == 2 else noise()


def scenes(number):
    """Four of them; the faces of each wander."""
    return np.roll(noise(3 - number // 40 % 2), number, axis=1)


def grainy(number):
    """What is hard to compress: a hole costs something."""
    return np.random.default_rng(number).integers(0, 256, (144, 192, 3), np.uint8)


@pytest.fixture
def logs(tmp_path):
    return tmp_path / "logs"


@pytest.fixture
def video(logs, standin_root):
    """Run `of3 video` with flags; gives the exit status."""

    def run(*words):
        places = ["--logs", str(logs), "--of3_root", str(standin_root)]
        return main([*map(str, words), *places, "--device", "cpu"])

    return run


def rows(logs, stem):
    with (logs / "openface3" / "video" / f"{stem}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def facts(logs, stem):
    def refuse(constant):
        raise ValueError(f"got {constant}, which is no JSON")

    text = (logs / "openface3" / "video" / f"{stem}.json").read_text()
    return json.loads(text, parse_constant=refuse)


def errors(logs):
    return (logs / "openface3" / "errors.tsv").read_text().splitlines()[1:]


def command(logs, root, *words):
    start = "import sys; from of3.runtime.commands.video import main; sys.exit(main(sys.argv[1:]))"
    places = ["--logs", str(logs), "--of3_root", str(root)]
    return [sys.executable, "-c", start, *map(str, words), *places, "--device", "cpu"]


def lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.fixture
def clip(write, tmp_path):
    return write(tmp_path / "clip.mp4", 9, pixels=with_gaps)


def test_every_face_of_every_frame_has_its_row(clip, video, logs):
    assert video(clip, "--faces", "2") == 0
    found = rows(logs, "clip")
    ids = [(int(row["frame"]), row["face_id"], row["success"]) for row in found]
    assert ids == [
        *[(0, "0", "1"), (0, "1", "1"), (1, "0", "1"), (1, "1", "1"), (2, "", "0")],
        *[(3, "2", "1"), (3, "3", "1"), (4, "2", "1"), (4, "3", "1"), (5, "", "0")],
        *[(6, "4", "1"), (6, "5", "1"), (7, "4", "1"), (7, "5", "1"), (8, "", "0")],
    ]
    empty = [row for row in found if row["success"] == "0"]
    assert all(not value for row in empty for name, value in row.items() if name not in MOMENT)
    told = facts(logs, "clip")
    assert (told["frames_decoded"], told["frames_without_a_face"], told["faces"]) == (9, 3, 12)
    assert (told["faces_tracked"], told["finished"]) == (6, True)
    assert told["cuts_s"] == pytest.approx([number / 30 for number in (2, 3, 5, 6, 8)], abs=1e-6)
    assert errors(logs) == []


def test_the_columns_are_the_documented_ones(clip, video, logs):
    assert video(clip, "--faces", "best") == 0
    columns = list(rows(logs, "clip")[0])
    assert columns == [*COLUMNS, *(f"{axis}_{number}" for axis in "xy" for number in range(98))]
    assert video(clip, "--override", "--landmarks", "off") == 0
    assert list(rows(logs, "clip")[0]) == COLUMNS
    assert all(row["eye_open_left"] == row["pose_Tx"] == "" for row in rows(logs, "clip"))


def test_times_are_the_files_own(write, tmp_path, video, logs):
    times_ms = [0, 40, 50, 300, 320, 1000]
    path = write(tmp_path / "clip.mkv", 6, times_ms=times_ms, pixels=lambda number: GREY_PX)
    assert video(path) == 0
    found = [(float(row["timestamp"]), row["time_source"]) for row in rows(logs, "clip")]
    assert found == [(ms / 1000, "pts") for ms in times_ms]


def test_frames_are_chosen_by_number_and_by_time(write, tmp_path, video, logs):
    path = write(tmp_path / "clip.mp4", 30, pixels=lambda number: GREY_PX)
    assert video(path, "--every", "4", "--start", "0.2", "--end", "0.7") == 0
    assert [int(row["frame"]) for row in rows(logs, "clip")] == [8, 12, 16, 20]
    assert video(path, "--fps", "5", "--override") == 0
    assert [int(row["frame"]) for row in rows(logs, "clip")] == [0, 6, 12, 18, 24]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--start", "100"], "ends at 0.100 s, got --start 100: pass an earlier one"),
        (["--start", "0.04", "--end", "0.05"], "no frame from --start 0.04 on, before --end 0.05"),
    ],
)
def test_a_video_without_a_frame_in_the_time_asked_for_is_told(
    write, tmp_path, video, logs, caplog, flags, said
):
    path = write(tmp_path / "clip.mp4", 3, pixels=lambda number: GREY_PX)
    assert video(path, *flags) == 0
    assert rows(logs, "clip") == []
    assert errors(logs) == [f"{path}\tread\t{said}"]
    assert f"clip.mp4: 0 frames, 0 faces, {said}" in caplog.text


def test_a_frame_has_the_numbers_of_the_same_picture(write, tmp_path, video, logs, standin_root):
    path = write(tmp_path / "clip.mp4", 3, pixels=wandering)
    assert video(path, "--faces", "3") == 0
    settings = Settings(detect=True, landmarks=True, detector_resize="auto")
    with (
        Pipeline.open(standin_root / "weights" / "of3_bundle", settings) as pipeline,
        Video(path) as opened,
    ):
        *_, last = opened.frames()
        (analysis,) = pipeline.run_faces([last.pixels()], 3)
    assert isinstance(analysis, Analysis)
    boxes = sorted(tuple(round(side, 2) for side in (face.box or ())[:2]) for face in analysis.faces)
    found = [row for row in rows(logs, "clip") if row["frame"] == "2"]
    assert sorted((float(row["box_x"]), float(row["box_y"])) for row in found) == boxes


@pytest.mark.long
@pytest.mark.parametrize(
    "flags",
    [["--format", "both"], ["--smooth", "0.3", "--fps", "20", "--track_gap", "0.01"]],
)
def test_a_killed_run_goes_on_to_the_same_bytes(write, tmp_path, logs, standin_root, flags):
    path = write(tmp_path / "clip.mp4", 100, pixels=scenes)
    given = [path, "--faces", "2", *flags]
    subprocess.run(command(tmp_path / "whole", standin_root, *given), check=True, capture_output=True)
    want = tmp_path / "whole" / "openface3" / "video" / "clip.csv"
    table = logs / "openface3" / "video" / "clip.csv"
    for least in (1, lines(want) // 2):
        again = command(logs, standin_root, *given, "--resume", "on")
        process, end_s = subprocess.Popen(again, stderr=subprocess.DEVNULL), time.monotonic() + PATIENCE_S
        while lines(table) <= least and time.monotonic() < end_s:
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.005)
        process.kill()
        assert process.wait(PATIENCE_S) == -signal.SIGKILL
        assert 1 < lines(table) < lines(want)
        assert not table.with_suffix(".parquet").exists()
    torn = table.read_bytes()[:-100]
    table.write_bytes(torn)
    subprocess.run(again, check=True, capture_output=True)
    assert table.read_bytes() == want.read_bytes()
    assert [path.read_bytes() for path in table.parent.glob("*.parquet")] == [
        path.read_bytes() for path in want.parent.glob("*.parquet")
    ]
    assert len([*want.parent.glob("*.parquet")]) == ("both" in flags)
    told, whole = facts(logs, "clip"), facts(tmp_path / "whole", "clip")
    same = ("frames_analysed", "faces", "faces_tracked", "frames_without_a_face", "cuts_s", "frames_decoded")
    assert {name: told[name] for name in same} == {name: whole[name] for name in same}
    assert len(whole["cuts_s"]) >= 2


def test_an_interrupted_run_says_how_to_go_on(write, tmp_path, logs, standin_root):
    path = write(tmp_path / "clip.mp4", 150, pixels=wandering)
    process = subprocess.Popen(command(logs, standin_root, path), stderr=subprocess.PIPE, text=True)
    while lines(logs / "openface3" / "video" / "clip.csv") < 2:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "--resume on goes on from there" in said
    assert facts(logs, "clip")["finished"] is False


def test_a_video_that_is_stopped_before_its_first_frame_is_told_of_nothing(clip, logs, standin_root):
    stopped = Interruption(())
    stopped.note(signal.SIGINT)
    (logs / "openface3").mkdir(parents=True)
    options = parse([clip, "--logs", str(logs), "--of3_root", str(standin_root), "--device", "cpu"])
    with VideoSession(options, stopped) as session:
        assert session.run(VideoFile(clip, "clip")) is None
    assert errors(logs) == rows(logs, "clip") == []
    assert facts(logs, "clip")["finished"] is False


def test_what_is_finished_is_not_done_again(clip, video, logs, caplog):
    assert video(clip) == 0
    before = (logs / "openface3" / "video" / "clip.csv").stat()
    assert video(clip, "--resume", "on") == 0
    assert "done before" in caplog.text
    assert (logs / "openface3" / "video" / "clip.csv").stat() == before


def made(logs):
    """A video's tables, by what comes after its stem."""
    return {path.suffix: path for path in (logs / "openface3" / "video").glob("clip.*") if path.suffix in KINDS}


def test_another_format_is_made_of_what_is_done(clip, video, logs, tmp_path):
    pytest.importorskip("pyarrow", reason="the extra tables is not installed")
    assert video(clip, "--format", "parquet") == 0
    assert [*made(logs)] == [".parquet"]
    parquet = made(logs)[".parquet"].read_bytes()
    assert video(clip, "--format", "csv", "--resume", "on") == 0
    assert {*made(logs)} == {*KINDS} and made(logs)[".parquet"].read_bytes() == parquet
    text = made(logs)[".csv"].read_bytes()
    made(logs)[".parquet"].unlink()
    assert video(clip, "--format", "both", "--resume", "on") == 0
    assert [made(logs)[kind].read_bytes() for kind in KINDS] == [text, parquet]
    assert video(clip, "--override") == 0
    assert [*made(logs)] == [".csv"] and made(logs)[".csv"].read_bytes() == text


def test_parquet_alone_goes_on_from_the_records_to_the_same_bytes(clip, video, logs):
    pytest.importorskip("pyarrow", reason="the extra tables is not installed")
    assert video(clip, "--format", "parquet") == 0
    whole = made(logs)[".parquet"]
    want = whole.read_bytes()
    with open_store(whole.with_suffix(".sqlite")) as store, store.transaction():
        store.put_session(1, replace(store.sessions()[0], made={}), 1)
    whole.write_bytes(b"of before")
    assert video(clip, "--format", "parquet", "--resume", "on") == 0
    assert [*made(logs)] == [".parquet"] and whole.read_bytes() == want


def test_without_pyarrow_a_parquet_table_is_refused_at_once():
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from of3.runtime.commands.video import main\n"
        "main(['x.mp4', '--logs', 'x', '--of3_root', 'x', '--format', 'parquet'])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "pyarrow: not installed: pip install 'of3[tables]'" in done.stderr


def test_results_that_are_there_are_neither_mixed_nor_lost(clip, video, logs, caplog):
    assert video(clip) == 0
    before = (logs / "openface3" / "video" / "clip.csv").read_bytes()
    assert video(clip) == 2
    assert "pass --resume on to go on, --override to start anew" in caplog.text
    assert video(clip, "--resume", "on", "--track_gap", "2") == 2
    assert "video.track_gap was 1.0, is 2.0" in caplog.text
    assert (logs / "openface3" / "video" / "clip.csv").read_bytes() == before
    assert video(clip, "--override", "--every", "2") == 0
    assert {row["frame"] for row in rows(logs, "clip")} == {"0", "2", "4", "6", "8"}


def test_rows_that_others_changed_are_refused(write, tmp_path, logs, standin_root, video, caplog):
    path = write(tmp_path / "clip.mp4", 3, pixels=with_gaps)
    assert video(path) == 0
    table = logs / "openface3" / "video" / "clip.csv"
    with open_store(table.with_suffix(".sqlite")) as store, store.transaction():
        unfinished = store.sessions()[0]
        store.put_session(1, replace(unfinished, made={}), 1)
    table.write_bytes(table.read_bytes().replace(b"pts", b"PTS"))
    assert video(path, "--resume", "on") == 2
    assert "some rows are not those that were written" in caplog.text


def test_a_video_that_cannot_be_read_costs_itself(clip, tmp_path, video, logs):
    (tmp_path / "a.mp4").write_text("no video")
    assert video(tmp_path) == 0
    assert len({row["frame"] for row in rows(logs, "clip")}) == 9
    (line,) = errors(logs)
    assert line.startswith(f"{tmp_path / 'a.mp4'}\tread\tunreadable: not an MP4")
    assert video(tmp_path, "--resume", "on") == 0
    assert errors(logs) == [line]


@pytest.mark.parametrize("flags", [["--override"], ["--resume", "on"]])
def test_what_was_told_of_a_video_that_is_repaired_goes(write, tmp_path, video, logs, flags):
    (tmp_path / "a.mp4").write_text("no video")
    (tmp_path / "clip.mp4").write_text("no video either")
    assert video(tmp_path) == 0
    assert len(errors(logs)) == 2
    write(tmp_path / "clip.mp4", 2, pixels=lambda number: GREY_PX)
    assert video(tmp_path, *flags) == 0
    (line,) = errors(logs)
    assert line.startswith(f"{tmp_path / 'a.mp4'}\tread\t")


def test_a_damaged_middle_is_told_by_its_time(write, tmp_path, video, logs):
    path = write(tmp_path / "clip.mkv", 60, keys=10, between=0, pixels=grainy)
    content = bytearray(Path(path).read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)
    Path(path).write_bytes(content)
    assert video(path, "--landmarks", "off", "--faces", "best") == 0
    assert any(" s to " in line and line.startswith(f"{path}\tread\t") for line in errors(logs))
    assert facts(logs, "clip")["notes"]
    assert 30 < facts(logs, "clip")["frames_decoded"] <= 60


def test_videos_of_one_stem_are_told_apart(write, tmp_path, video, logs):
    for folder, frames in (("one", 3), ("two", 4)):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "clip.mp4", frames, pixels=lambda number: GREY_PX)
    assert video(tmp_path / "one", tmp_path / "two") == 0
    assert (len(rows(logs, "clip")), len(rows(logs, "two/clip"))) == (3, 4)


def test_a_turned_video_is_analysed_upright(write, tmp_path, turn_in_header, video, logs):
    path = write(tmp_path / "turned.mp4", 2, pixels=lambda number: np.rot90(wandering(number), 1))
    turn_in_header(path, 90, is_mirrored=True)
    assert video(path, "--faces", "2") == 0
    told = facts(logs, "turned")
    assert (told["width_px"], told["height_px"]) == (192, 144)
    assert (told["rotation_deg"], told["mirrored"]) == (90, True)


def test_no_video_is_exit_2(tmp_path, video, caplog):
    assert video(tmp_path / "none.mp4") == 2
    assert "got nothing there" in caplog.text


@pytest.mark.long
def test_memory_does_not_grow_with_the_length(write, tmp_path, standin_root):
    """What the process holds at most, of a long video and of one a fifth as long."""
    peaks = []
    for frames in (100, 500):
        path = write(tmp_path / f"clip_{frames}.mp4", frames, pixels=lambda number: GREY_PX)
        measured = f"""
import resource, sys
from of3.runtime.commands.video import main, parse
assert main([{path!r}, "--logs", {str(tmp_path / str(frames))!r}, "--of3_root", {str(standin_root)!r}]) == 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
        done = subprocess.run([sys.executable, "-c", measured], check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] - peaks[0] < 20


def test_python_gets_the_same_faces_of_a_file_and_of_pictures_with_times(clip, standin_root):
    settings = Settings(detect=True, landmarks=True, detector_resize="auto")
    with Pipeline.open(standin_root / "weights" / "of3_bundle", settings) as pipeline:
        of_file = list(watch(pipeline, clip, Watching(faces=2)))
        with Video(clip) as opened:
            pictures = ((frame.pixels(), frame.time_s) for frame in opened.frames())
            of_pictures = list(watch(pipeline, pictures, Watching(faces=2)))
    assert len(of_file) == len(of_pictures) == 9
    for one, other in zip(of_file, of_pictures, strict=True):
        assert (one.moment.frame, one.moment.time_s) == (other.moment.frame, other.moment.time_s)
        assert [(face.face_id, face.record.box) for face in one.faces] == [
            (face.face_id, face.record.box) for face in other.faces
        ]
    assert {frame.moment.time_source for frame in of_pictures} == {"given"}


def test_each_frame_has_the_camera_of_its_own_size(write, tmp_path, standin_root):
    parts = [
        write(tmp_path / f"{height}.ts", 4, pixels=lambda _, height=height: noise(3, height, 192))
        for height in (144, 240)
    ]
    path = tmp_path / "clip.mpg"
    path.write_bytes(b"".join(Path(part).read_bytes() for part in parts))
    settings = Settings(detect=True, landmarks=True, detector_resize="auto")
    with Pipeline.open(standin_root / "weights" / "of3_bundle", settings) as pipeline:
        of_file = list(watch(pipeline, str(path), Watching(faces=1)))
        with Video(str(path)) as opened:
            pictures = ((frame.pixels(), frame.time_s) for frame in opened.frames())
            of_pictures = list(watch(pipeline, pictures, Watching(faces=1)))
    cameras = {144: Camera.of(192, 144), 240: Camera.of(192, 240)}
    for frames in (of_file, of_pictures):
        assert [face.camera for frame in frames for face in frame.faces] == [cameras[144]] * 4 + [
            cameras[240]
        ] * 4


def test_frames_of_a_video_of_which_nothing_comes_are_none(standin_root):
    with Pipeline.open(standin_root / "weights" / "of3_bundle", Settings(detect=True)) as pipeline:
        assert list(watch(pipeline, [])) == []


def test_a_video_that_was_replaced_is_analysed_anew(write, tmp_path, video, logs, caplog):
    path = tmp_path / "clip.mp4"
    write(path, 4, pixels=lambda number: GREY_PX)
    assert video(path) == 0
    write(path, 6, pixels=lambda number: GREY_PX)
    assert video(path, "--resume", "on") == 0
    assert "another file than it was: analysed anew" in caplog.text
    assert len(rows(logs, "clip")) == 6


def test_a_face_that_stays_keeps_its_id_at_a_frame_a_second(write, tmp_path, video, logs):
    times_ms = [number * 1001 // 30 for number in range(120)]  # 29.97 frames/s: each 30th is 1.001 s later
    path = write(tmp_path / "clip.mkv", 120, times_ms=times_ms, pixels=lambda number: noise())
    assert video(path, "--fps", "1", "--faces", "2") == 0
    assert [row["face_id"] for row in rows(logs, "clip")] == ["0", "1"] * 4
    assert facts(logs, "clip")["faces_tracked"] == 2


def test_two_people_keep_their_ids_where_they_meet(write, tmp_path, faces, permuted_root, logs, real_detector):
    """The published detector, and photographs that move towards each other; the bundle has no landmarks."""
    one, other = (cv2.resize(np.asarray(cv2.imread(path)), (112, 112)) for path in faces[:2])

    def walking(number):
        canvas = np.full((240, 640, 3), 110, np.uint8)
        canvas[60:172, 20 + 10 * number : 132 + 10 * number] = one
        canvas[70:182, 500 - 10 * number : 612 - 10 * number] = other
        return canvas

    path = write(tmp_path / "clip.mp4", 16, pixels=walking)
    places = ["--logs", str(logs), "--of3_root", str(permuted_root), "--device", "cpu", "--no_calib", "on"]
    assert main([path, *places]) == 0
    found = rows(logs, "clip")
    assert list(found[0]) == COLUMNS
    assert [row["face_id"] for row in found] == ["0", "1"] * 16
    places_px = ([float(row["box_x"]) for row in found if row["face_id"] == face_id] for face_id in "01")
    steps_px = sorted(np.polyfit(range(16), x, 1)[0] for x in places_px)
    assert steps_px == pytest.approx([-10, 10], abs=1)
    assert facts(logs, "clip")["faces_tracked"] == 2


def test_a_video_is_known_again_whichever_way_it_is_named(clip, tmp_path, video, logs, caplog, monkeypatch):
    assert video(clip) == 0
    monkeypatch.chdir(tmp_path)
    assert video("clip.mp4", "--resume", "on") == 0
    assert "done before" in caplog.text
    assert [path.name for path in (logs / "openface3" / "video").glob("*.csv")] == ["clip.csv"]


def test_a_frame_whose_pixels_cannot_be_had_costs_itself(standin_root):
    def broken():
        raise ValueError("no such pixel format")

    def made(number):
        return Frame(number, number / 30, "pts", broken if number == 1 else noise)

    with Pipeline.open(standin_root / "weights" / "of3_bundle", Settings(detect=True)) as pipeline:
        found = list(seen(pipeline, map(made, range(3))))
    assert [frame.moment.frame for frame in found] == [0, 1, 2]
    assert [bool(frame.faces) for frame in found] == [True, False, True]
    assert found[1].failure is not None
    assert (found[1].failure.stage, found[1].failure.reason) == ("read", "ValueError: no such pixel format")
    assert not found[2].is_cut
