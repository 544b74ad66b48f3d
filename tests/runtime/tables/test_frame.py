"""Tables as data frames."""

import json
import subprocess
import sys

import numpy as np
import pytest

from of3.runtime import Analysis, Failure, Record, open_records, read_logs, to_frame
from of3.runtime.logs.rows import ROWS
from of3.runtime.tracks.follower import FollowedFace
from of3.runtime.tracks.watched import WatchedFrame
from of3.runtime.types import Moment, RawValues, RunError
from of3.runtime.vision.derived import Derived

pd = pytest.importorskip("pandas", reason="the extra tables is not installed")
NAMES = ["NA", "nan", "null", "1", "", 'quo"te', "new\nline", "car\rriage", "tab\t", "<b>", "=1", "\udcff", "é"]


@pytest.fixture
def record():
    floats = np.linspace(0, 0.875, 8, dtype=np.float32)
    return Record(
        source="in/NA",
        emotion="happy",
        probabilities={"neutral": 0.25, "happy": 0.75},
        gaze_rad={"yaw": 0.5, "pitch": -0.25},
        aus={12: 0.125, 25: 0.5},
        raw=RawValues(floats, floats[:2], floats),
        box=(1, 2, 3, 4),
        confidence=None,
        landmarks=np.zeros((98, 2), np.float32),
        size_px=(640, 480),
    )


@pytest.fixture
def table(tmp_path):
    """openface3.csv with every other picture failed."""
    good = {"pose_yaw": "0.1", "emotion": "happy", "au12": "0.5", "success": "1"}
    rows = [
        {"path": f"in/{name}", "file": name, **(good if number % 2 else {"success": "0"})}
        for number, name in enumerate(NAMES)
    ]
    path = tmp_path / ROWS.file
    path.write_bytes(ROWS.text([ROWS.columns, *([row.get(name, "") for name in ROWS.columns] for row in rows)]))
    return path


def test_names_stay_names_and_what_is_blank_is_missing(table):
    found = read_logs(table)
    assert found["path"].tolist() == [f"in/{name}".replace("\udcff", r"\xff") for name in NAMES]
    assert found["success"].dtype == bool and found["success"].tolist() == [
        n % 2 == 1 for n in range(len(NAMES))
    ]
    assert found["confidence"].isna().all() and found["confidence"].dtype == np.float32
    assert (
        found["emotion"].dtype == "category"
        and found["emotion"].isna().tolist() == (~found["success"]).tolist()
    )
    assert found["au12"].mean() == 0.5


def test_a_folder_is_read_by_its_name_too(run, out):
    assert run("--no_calib", "on", "--extra_csv", "on") == 0
    found = read_logs(out.parent)
    pd.testing.assert_frame_equal(found, read_logs(out))
    pd.testing.assert_frame_equal(found, read_logs(str(out / ROWS.file)))
    assert len(found) == 6 and not found.set_index("file")["success"]["broken.jpg"]
    assert read_logs(out / "openface3_full.csv")["emotion_topk"].isna().all()
    told = read_logs(out / "errors.tsv")
    assert told["path"].map(lambda path: path.rpartition("/")[2]).tolist() == ["broken.jpg"]


def test_a_folder_without_a_table_is_an_error(tmp_path):
    with pytest.raises(RunError, match=r"got no table there, want one of openface3\.csv"):
        read_logs(tmp_path)


def test_records_are_a_frame_in_one_call(run, out, record):
    assert run("--no_calib", "on", "--landmarks", "on") == 0
    with open_records(out) as records:
        results = list(records)
    found = to_frame(results)
    assert found["path"].tolist() == [result.source for result in results]
    assert found["success"].tolist() == [isinstance(result, Record) for result in results]
    want = [result.aus[12] for result in results if isinstance(result, Record)]
    assert found["AU12"].dropna().tolist() == pytest.approx(want)
    assert found["x_97"].notna().sum() == len(want)
    assert len(to_frame([])) == 0 and to_frame([])["success"].dtype == bool


def test_every_face_of_an_analysis_has_a_row_and_a_video_s_its_moment(record):
    other = Failure("in/\udcff", "detect", "no face")
    results: list[Analysis | Failure] = [Analysis("in/NA", (640, 480), (record, record), (), record), other]
    found = to_frame(results)
    assert found[["file", "success", "face_id"]].values.tolist() == [
        ["NA", True, 0],
        ["NA", True, 0],
        [r"\xff", False, pd.NA],
    ]
    face = FollowedFace(3, record, Derived())
    frames = [
        WatchedFrame(Moment(7, 0.25, "pts"), (face,), None),
        WatchedFrame(Moment(8, 0.5, "pts"), (), other),
    ]
    of_video = to_frame(frames)
    assert of_video[["frame", "timestamp", "success"]].values.tolist() == [[7, 0.25, True], [8, 0.5, False]]
    assert of_video["face_id"].dtype == "Int32" and of_video["AU12"].iloc[0] == np.float32(0.125)


def test_records_are_dictionaries_that_json_takes(record):
    analysis = Analysis("in/NA", (640, 480), (record,), (Failure("in/NA", "crop", "zero-area"),), record)
    told = json.loads(json.dumps(analysis.to_dict()))
    assert told["failed"] == [{"source": "in/NA", "stage": "crop", "reason": "zero-area"}]
    (face,) = told["faces"]
    assert face["aus"] == {"12": 0.125, "25": 0.5} and face["confidence"] is None
    assert face["raw"]["gaze_rad"] == [0.0, 0.125] and len(face["landmarks"]) == 98
    assert face == record.to_dict() | {"raw": face["raw"]}


def test_without_pandas_the_error_names_the_extra(table):
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "from of3.runtime import read_logs\n"
        f"read_logs({str(table)!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "RunError: pandas: not installed: pip install 'of3[tables]'" in done.stderr
