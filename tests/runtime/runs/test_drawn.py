"""How a run's pictures are drawn, by what its records say it was made with."""

import json
from dataclasses import replace

import numpy as np
import pytest

from of3.runtime.commands.draw import main
from of3.runtime.drawing.gaze import GazeNames
from of3.runtime.logs.made import OutputNames, Run, Session
from of3.runtime.logs.rows import RowOptions
from of3.runtime.runs.drawn import Drawing, draw_frame, drawing_of
from of3.runtime.tracks.follower import Follower, Following
from of3.runtime.tracks.watched import WatchedFrame
from of3.runtime.types import Moment
from of3.runtime.vision.lens import USUAL
from tools.made_logs import SIZE_PX, Seed

RUN = Run({"flags": {"max_pixels": 77}}, RowOptions(), "", OutputNames((), ("yaw", "pitch"), {}), {})


def session(bundle):
    return Session({"bundle": bundle}, 0.0, 0.0)


def test_the_arrow_goes_by_what_the_mirror_has_shown():
    drawing = drawing_of(RUN, [session({}), session({"gaze_measured": ["pitch", "yaw"]})], "all")
    assert drawing.gaze == GazeNames("pitch", "yaw")
    assert drawing.max_pixels == 77


def test_where_the_mirror_showed_nothing_there_is_no_arrow():
    assert drawing_of(RUN, [session({"gaze_measured": []})], "best").gaze is None
    assert drawing_of(RUN, [session({})], "best").gaze is None


@pytest.mark.parametrize(("measured", "lines"), [([], 1), (["yaw", "pitch"], 0)])
def test_a_run_and_a_drawing_say_once_that_there_are_no_arrows(run, out, bundle_copy, measured, lines, caplog):
    manifest = bundle_copy / "bundle.json"
    document = json.loads(manifest.read_text())
    document["labels"]["gaze_measured"] = measured
    manifest.write_text(json.dumps(document))
    caplog.set_level("INFO")
    for command in (lambda: run("--overlay", "on", "--bundle", str(bundle_copy)), lambda: main([str(out)])):
        caplog.clear()
        assert command() == 0
        assert sum("no gaze arrows" in text for text in caplog.messages) == lines


@pytest.mark.parametrize("larger", [1, 2])
def test_a_head_s_axes_begin_at_its_nose_whatever_the_size_of_its_frame(larger):
    record = Seed(0, pose_deg=(0.0, 30.0, 0.0)).record("frame")
    assert record.box is not None and record.landmarks is not None
    box = tuple(larger * side for side in record.box)
    size_px = SIZE_PX[0] * larger, SIZE_PX[1] * larger
    landmarks = record.landmarks * larger
    record = replace(record, box=box, landmarks=landmarks, size_px=size_px)
    (face,) = Follower(Following(camera=USUAL)).after(0.0, [record])
    pixels = [np.zeros((size_px[1], size_px[0], 3), np.uint8) for _ in range(2)]
    for canvas, drawn in zip(pixels, (face, replace(face, camera=None)), strict=True):
        draw_frame(canvas, WatchedFrame(Moment(0, 0.0, "pts"), (drawn,), None), Drawing(GazeNames()))
    axes = np.argwhere((pixels[0] != pixels[1]).any(axis=2))[:, ::-1]
    assert np.linalg.norm(axes - landmarks[54], axis=1).min() < 6 * larger
    assert np.abs(axes - landmarks[54]).max() < 160 * larger


def test_a_run_keeps_what_the_mirror_has_shown(run, out):
    assert run() == 0
    bundle = json.loads((out / "run.json").read_text())["bundle"]
    assert bundle["gaze_measured"] in ([], ["yaw", "pitch"], ["pitch", "yaw"])


def test_pictures_of_a_relative_path_are_looked_for_where_the_run_was_started(
    run, out, aligned, tmp_path, monkeypatch, caplog
):
    monkeypatch.chdir(aligned.parent)
    assert run("--aligned", "aligned") == 0
    monkeypatch.chdir(tmp_path / "aligned")
    assert main([str(out)]) == 0
    assert "draw from where the run was started" in caplog.text
    monkeypatch.chdir(aligned.parent)
    assert main([str(out)]) == 0
    assert len(list((out / "overlay").rglob("*.jpg"))) == 5
