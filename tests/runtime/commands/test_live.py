"""The flags of `of3 live`."""

import math
import subprocess
import sys

import pytest

from of3.runtime.commands.live import main, parse
from of3.runtime.live_options import LIVE_FLAGS, LIVE_GROUPS, STREAM

GIVEN = ["--logs", "logs", "--of3_root", "root"]
CAMERA = ["--device_index", "0", *GIVEN]


def test_the_defaults_are_those_of_videos():
    options = parse(CAMERA)
    assert (options.device_index, options.url, options.lsl, options.patience) == (0, None, "", 30.0)
    assert options.seconds == math.inf
    video = options.video
    assert (video.every, video.fps, video.landmarks, video.head_pose, video.track_gap) == (
        *(1, math.inf, True, True, 1.0),
    )
    run = video.run
    assert (run.faces, run.detector_resize, run.skip_detect, run.landmarks) == ("all", "auto", False, True)


@pytest.mark.parametrize(
    ("flags", "name"),
    [(["--lsl"], STREAM), (["--lsl", "Room 2"], "Room 2"), (["--lsl", "--seconds", "1"], STREAM)],
)
def test_the_stream_has_a_name_of_its_own_or_the_usual_one(flags, name):
    assert parse([*CAMERA, *flags]).lsl == name


def test_what_a_camera_is_asked_for_is_read():
    options = parse([*CAMERA, "--camera_size", "1280x720", "--camera_fps", "60"])
    assert (options.camera_size, options.camera_fps) == ((1280, 720), 60.0)


@pytest.mark.parametrize("flags", [[], ["--device_index", "0", "--url", "a.mp4"]])
def test_exactly_one_source_is_wanted(flags, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse([*flags, *GIVEN])
    assert "want one of --device_index and --url" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--camera_size", "720p"], "want WIDTHxHEIGHT such as 1280x720"),
        (["--seconds", "0"], "want a number above 0"),
        (["--resume", "on"], "which is no flag of"),
        (["--every", "2"], "which is no flag of"),
    ],
)
def test_wrong_words_are_exit_2_and_say_what_is_wanted(flags, said, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse([*CAMERA, *flags])
    assert said in capsys.readouterr().err


def test_what_is_missing_is_named(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--device_index", "0", "--logs", "x"])
    assert "missing --of3_root" in capsys.readouterr().err


def test_every_flag_has_its_place_in_the_help():
    assert {flag.group for flag in LIVE_FLAGS.values()} <= set(LIVE_GROUPS)


def test_help_needs_neither_opencv_nor_an_engine():
    code = "import sys; from of3.runtime.commands.live import parser; parser().format_help(); "
    code += "print([name for name in ('cv2', 'onnxruntime', 'av', 'pylsl') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
