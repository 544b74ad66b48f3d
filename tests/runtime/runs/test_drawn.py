"""How a run's pictures are drawn, by what its records say it was made with."""

import json

import pytest

from of3.runtime.commands.draw import main
from of3.runtime.drawing.gaze import GazeNames
from of3.runtime.logs.made import OutputNames, Run, Session
from of3.runtime.logs.rows import RowOptions
from of3.runtime.runs.drawn import drawing_of

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
