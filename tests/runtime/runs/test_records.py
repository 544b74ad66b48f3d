"""The records of a run, for Python."""

import os
import shutil

import numpy as np
import pytest

from of3.runtime import Failure, Pipeline, Record, Settings, open_records
from of3.runtime.runs.lock import locked
from of3.runtime.types import Closed, RunError
from tools.made_logs import write_video


def test_they_are_what_the_pipeline_gave(run, out, aligned, standin_root):
    assert run("--no_calib", "on", "--landmarks", "on") == 0
    paths = sorted(map(str, aligned.rglob("*.*")), key=lambda path: path.split(os.sep))
    with Pipeline.open(standin_root / "weights" / "of3_bundle", Settings(landmarks=True)) as pipeline:
        want = list(pipeline.run(paths))
    for path in (out, out.parent, str(out.parent)):
        with open_records(path) as records:
            found = list(records)
            assert len(records) == len(want) == 6
    for result, other in zip(found, want, strict=True):
        assert (type(result), result.source) == (type(other), other.source)
        if isinstance(result, Record) and isinstance(other, Record):
            np.testing.assert_allclose(result.raw.au, other.raw.au, atol=1e-6)
            assert result.landmarks is not None
            assert other.landmarks is not None
            np.testing.assert_allclose(result.landmarks, other.landmarks, atol=1e-3)
            assert result.emotion == other.emotion
            assert result.aus == {au: float(result.raw.au[index]) for index, au in enumerate(result.aus)}
        else:
            assert result == other
    assert any(isinstance(result, Failure) for result in found)


def test_columns_are_arrays_of_a_row_a_picture(run, out):
    assert run("--landmarks", "on") == 0
    with open_records(out) as records:
        columns, results = records.columns(), list(records)
    assert all(len(column) == 6 for column in columns.values())
    for call in (records.columns, records.__len__, lambda: list(records)):
        with pytest.raises(Closed, match="these records are closed: open them again"):
            call()
    good = columns["success"]
    assert good.tolist() == [isinstance(result, Record) for result in results]
    assert columns["path"].tolist() == [result.source for result in results]
    assert columns["landmarks_px"].shape == (6, 98, 2)
    assert columns["box_px"].shape == (6, 4)
    for name in ("au12", "yaw_rad", "probability_happy"):
        assert columns[name].dtype == np.float32
        assert np.isnan(columns[name][~good]).all()
    want = [result.aus[12] for result in results if isinstance(result, Record)]
    np.testing.assert_array_equal(columns["au12"][good], np.array(want, np.float32))
    assert np.isnan(columns["confidence"]).all()  # no detection
    assert columns["stage"][~good].tolist() == ["read"]


def test_columns_of_pictures_that_all_failed_have_no_numbers(run, out, aligned):
    for path in aligned.rglob("*.png"):
        path.write_bytes(b"none")
    run()
    with open_records(out) as records:
        columns = records.columns()
    assert not columns["success"].any()
    assert "au12" not in columns


def test_no_run_begins_while_they_are_read_and_none_is_read_while_one_runs(run, out, caplog):
    run()
    with open_records(out):
        assert run() == 2
    assert "another run writes here" in caplog.text
    with locked(out), pytest.raises(RunError, match="another run writes here"):
        open_records(out)
    assert run() == 0


def test_a_folder_that_cannot_be_written_to_can_be_read(run, out, monkeypatch):
    run()

    def refused(*_, **__):
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr("of3.runtime.runs.reading.locked", refused)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with open_records(out) as records:
        assert len(list(records)) == 6
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_folder_without_records_is_an_error(tmp_path, run, out):
    with pytest.raises(RunError, match=r"records\.sqlite: not there"):
        open_records(tmp_path)
    run()
    shutil.copy(out / "openface3.csv", out / "records.sqlite")
    with pytest.raises(RunError, match=r"records\.sqlite: damaged \(file is not a database\)"):
        open_records(out)


def test_logs_of_videos_say_what_reads_them(tmp_path):
    write_video(tmp_path, "v.mp4", "v", 3, 1)
    with pytest.raises(
        RunError, match=r"openface3: holds videos and no pictures: read_logs reads their tables"
    ):
        open_records(tmp_path)
