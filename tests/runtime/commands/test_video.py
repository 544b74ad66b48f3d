"""The flags of `of3 video`."""

import math
import subprocess
import sys

import pytest

from of3.runtime.commands.video import main, parse
from of3.runtime.options import FLAGS
from of3.runtime.video_options import SHARED, VIDEO_FLAGS, VIDEO_GROUPS

GIVEN = ["a.mp4", "b", "--logs", "logs", "--of3_root", "root"]


def test_the_defaults_are_those_of_videos():
    options = parse(GIVEN)
    assert options.inputs == ("a.mp4", "b")
    assert (options.every, options.fps, options.start, options.end) == (1, math.inf, 0.0, math.inf)
    assert (options.landmarks, options.head_pose, options.smooth, options.track_gap) == (True, True, 0.0, 1.0)
    run = options.run
    assert (run.faces, run.detector_resize, run.skip_detect, run.landmarks) == ("all", "auto", False, True)
    assert str(run.bundle) == "root/weights/of3_bundle"


def test_a_shared_flag_is_the_runs_own():
    options = parse([*GIVEN, "--batch", "4", "--engine", "fake", "--landmarks", "off", "--faces", "3"])
    assert (options.run.batch, options.run.engine, options.run.faces) == (4, "fake", 3)
    assert options.run.landmarks is options.landmarks is False


def test_every_compute_flag_of_a_run_is_there():
    computing = {name for name, flag in FLAGS.items() if flag.group == "compute"}
    assert computing <= set(SHARED)
    assert {flag.group for flag in VIDEO_FLAGS.values()} == set(VIDEO_GROUPS)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--every", "0"], "want 1 or more"),
        (["--start", "-1"], "want seconds, 0 or more"),
        (["--fps", "0"], "want a number above 0"),
        (["--start", "5", "--end", "2"], "got --start 5 and --end 2: want an end after the start"),
        (["--start", "5", "--end", "5"], "want an end after the start"),
        (["--end", "0"], "want an end after the start"),
        (["--faces", "few"], "want best, all, or how many"),
        (["--aligned", "x"], "which is no flag of"),
    ],
)
def test_wrong_words_are_exit_2_and_say_what_is_wanted(flags, said, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse([*GIVEN, *flags])
    assert said in capsys.readouterr().err


def test_what_is_missing_is_named(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["a.mp4", "--logs", "x"])
    assert "missing --of3_root" in capsys.readouterr().err


def test_help_needs_neither_opencv_nor_an_engine():
    code = "import sys; from of3.runtime.commands.video import parser; parser().format_help(); "
    code += "print([name for name in ('cv2', 'onnxruntime', 'av') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
