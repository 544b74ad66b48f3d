"""`of3 convert`: logs of real runs, read as others read them."""

import csv
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from of3.runtime import Record, open_records, read_logs
from of3.runtime.commands.cli import main as of3
from of3.runtime.commands.convert import main
from of3.runtime.commands.video import main as of3_video
from of3.runtime.drawing.gaze import GazeNames
from of3.runtime.logs.columns import UNITS
from of3.runtime.logs.store import open_store
from of3.runtime.runs.lock import locked
from of3.runtime.tables.points68 import OF_98

pd = pytest.importorskip("pandas", reason="the extra tables is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="the extra tables is not installed")
# What file systems allow: for CSV, for what reads "NA" as missing, for HTML, and one that is not UTF-8.
ODD = [
    "NA.png",
    "nan.png",
    'quo"te,.png',
    "new\nline.png",
    "car\rriage.png",
    "=1+1.png",
    "<b>.png",
    "\udcff.png",
]


def noise(number=0):
    grains = np.random.default_rng(3).integers(0, 256, (144, 192, 3), np.uint8)
    smooth = cv2.GaussianBlur(grains, (0, 0), 1.5).astype(np.float32)
    return np.roll(((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8), number, axis=1)


def with_gaps(number):
    return np.full((144, 192, 3), 60, np.uint8) if number % 3 == 2 else noise(number)


@pytest.fixture(scope="module")
def pictures(standin_root, tmp_path_factory):
    """Logs of pictures with odd names, two of which are none; every face of each."""
    folder, logs = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("pictures")
    for name in ODD:
        shutil.copy(standin_root / "images" / "face_1.png", folder / name)
    (folder / "NA.jpg").write_text("no picture")
    (folder / "empty.png").touch()
    places = ["--aligned", str(folder), "--logs", str(logs), "--of3_root", str(standin_root)]
    flags = ["--device", "cpu", "--no_calib", "on", "--faces", "2", "--landmarks", "on", "--per_image", "off"]
    assert of3(["run", *places, *flags]) == 0
    return logs


@pytest.fixture(scope="module")
def videos(write, standin_root, tmp_path_factory):
    """Logs of two videos: one of three faces with frames without any, one of a face."""
    folder, logs = tmp_path_factory.mktemp("videos_in"), tmp_path_factory.mktemp("videos")
    for name in ("a", "b"):
        (folder / name).mkdir()
    write(folder / "a" / "three.mp4", 6, pixels=with_gaps)
    one = write(folder / "b" / "three.mp4", 2, pixels=noise)
    places = ["--logs", str(logs), "--of3_root", str(standin_root), "--device", "cpu", "--no_calib", "on"]
    assert of3_video([str(folder), *places, "--faces", "3", "--format", "both"]) == 0
    assert of3_video([one, *places, "--faces", "best", "--landmarks", "off", "--override"]) == 0
    return logs


@pytest.fixture
def converted(tmp_path):
    """Convert logs to a form; gives the folder of its tables."""

    def to(logs, form, *flags):
        assert main([str(logs), "--to", form, "--out", str(tmp_path / form), *flags]) == 0
        return tmp_path / form

    return to


def as_openface2(path):
    """The way scripts begin that were written for OpenFace 2.2."""
    frame = pd.read_csv(path)
    frame.columns = frame.columns.str.strip()
    return frame


def test_a_parquet_file_of_pictures_holds_every_face_unrounded(pictures, converted):
    path = converted(pictures, "parquet") / "pictures.parquet"
    found, text = read_logs(path), read_logs(pictures / "openface3" / "openface3_faces.csv")
    assert list(found.columns) == list(text.columns)
    assert found["file"].tolist() == text["file"].tolist()
    assert {*found["file"]} == {*(name.replace("\udcff", r"\xff") for name in ODD), "NA.jpg", "empty.png"}
    assert found["success"].dtype == bool and not found["success"][found["file"] == "NA.jpg"].any()
    for name in (name for name in found if found[name].dtype == np.float32):
        half = 0.0051 if name[0] in "xyb" or name[:6] in ("pose_T", "pose_e") else 0.000051
        np.testing.assert_allclose(found[name], text[name], atol=half, rtol=1e-6, err_msg=name)
    with open_records(pictures) as records:
        want = [result.aus[12] for result in records if isinstance(result, Record)]
    assert {*want} <= {*found["AU12"].dropna().tolist()}


def test_parquet_says_units_and_what_made_it(videos, converted):
    schema = pq.read_schema(converted(videos, "parquet") / "videos.parquet")
    units = {field.name: (field.metadata or {}).get(b"unit") for field in schema}
    assert (units["pose_Tx"], units["gaze_yaw"], units["timestamp"], units["x_0"]) == (
        b"mm",
        b"rad",
        b"s",
        b"px",
    )
    assert b'"bundle"' in schema.metadata[b"of3"] and b'"track_gap"' in schema.metadata[b"of3"]
    assert str(schema.field("success").type) == "bool" and not schema.field("success").nullable


def test_a_parquet_file_of_videos_is_their_tables_one_below_the_other(videos, converted):
    found = read_logs(converted(videos, "parquet") / "videos.parquet")
    folder = videos / "openface3" / "video"
    whole = read_logs(folder / "three.parquet")
    assert found["video"].map(os.path.basename).tolist() == ["three.mp4"] * len(found)
    of_one = found[found["video"].map(lambda path: "/b/" in path)]
    of_three = found.drop(of_one.index).drop(columns="video").reset_index(drop=True)
    pd.testing.assert_frame_equal(of_three, whole)
    assert whole["face_id"].nunique() >= 3 and of_one["x_0"].isna().all()


def test_a_video_s_parquet_holds_the_values_of_its_table(videos):
    text, whole = (read_logs(videos / "openface3" / "video" / f"three{kind}") for kind in (".csv", ".parquet"))
    pd.testing.assert_frame_equal(text, whole, check_exact=False, rtol=1e-6, atol=0.0051)
    np.testing.assert_allclose(text.timestamp, whole.timestamp, atol=5.1e-7)
    np.testing.assert_allclose(text["AU12"], whole["AU12"], atol=5.1e-5)
    assert text["blink"].dtype == whole["blink"].dtype == "boolean" and text["frame"].dtype == "int32"


def test_openface2_s_columns_are_in_its_order(videos, converted):
    folder = converted(videos, "openface2")
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.csv")) == [
        "b/three.csv",
        "three.csv",
    ]
    with (folder / "three.csv").open(newline="") as file:
        header = next(csv.reader(file))
    assert header[:6] == ["frame", "face_id", "timestamp", "confidence", "success", "gaze_0_x"]
    places = {
        name: header.index(name) for name in ("eye_lmk_x_0", "pose_Tx", "x_0", "X_0", "p_scale", "AU01_r")
    }
    assert [*places.values()] == [13, 293, 299, 435, 639, 679]
    presence = [
        f"AU{unit:02d}_c"
        for unit in (*range(1, 3), *range(4, 8), 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45)
    ]
    assert header[696:714] == presence
    assert header[714:] == [f"AU{unit:02d}_p" for unit in UNITS]


def test_a_script_for_openface2_reads_a_video(videos, converted):
    found = as_openface2(converted(videos, "openface2") / "three.csv")
    ours = read_logs(videos / "openface3" / "video" / "three.parquet")
    assert found["frame"].tolist() == (ours["frame"] + 1).tolist() and found["frame"].min() == 1
    assert found["timestamp"].iloc[0] == 0
    good, seen = found[found.success == 1], ours[ours.success]
    assert 0 < len(good) < len(found)
    presence = good.filter(regex="AU.._c").dropna(axis=1, how="all")
    assert presence.columns.tolist() == [f"AU{unit:02d}_c" for unit in UNITS]
    np.testing.assert_array_equal(good["AU12_c"] == 1, seen["AU12"] >= 0.5)
    np.testing.assert_allclose(good["AU12_p"], seen["AU12"], atol=5.1e-5)
    for number, point in enumerate(OF_98):
        np.testing.assert_allclose(good[f"x_{number}"], seen[f"x_{point}"], atol=0.0051, rtol=1e-6)
    np.testing.assert_allclose(good["gaze_angle_x"], -seen["gaze_yaw"], atol=1e-3)
    np.testing.assert_allclose(
        np.hypot.reduce(good[[f"gaze_0_{axis}" for axis in "xyz"]], axis=1), 1, atol=1e-5
    )
    assert good.filter(regex="_r$|^eye_lmk|^[XYZ]_|^p_").isna().all().all()
    assert good.groupby("face_id")["gaze_angle_y"].mean().notna().sum() >= 3


@pytest.fixture
def exchanged(pictures, videos, tmp_path):
    """The same logs of pictures and videos, of a bundle whose first gaze output is pitch by the mirror test."""
    logs = Path(shutil.copytree(videos, tmp_path / "exchanged"))
    shutil.copy(pictures / "openface3" / "records.sqlite", logs / "openface3")
    for records in (logs / "openface3").rglob("*.sqlite"):
        with open_store(records) as store, store.transaction():
            made = store.sessions()[0].made
            bundle = {**made["bundle"], "gaze_measured": ["pitch", "yaw"]}
            store.put_session(1, replace(store.sessions()[0], made={**made, "bundle": bundle}), 1)
    return logs


@pytest.mark.parametrize("table", ["pictures.csv", "three.csv"])
def test_openface2_s_gaze_is_what_the_mirror_test_found_as_an_arrow_is(exchanged, converted, table, caplog):
    found = as_openface2(converted(exchanged, "openface2") / table).query("success == 1")
    ours = read_logs(converted(exchanged, "parquet") / f"{table.replace('three', 'videos')[:-4]}.parquet")
    seen = ours[ours.success & ~ours.get("video", ours.iloc[:, 0]).str.contains("/b/")]
    want = [GazeNames("pitch", "yaw").direction(each) for each in angles(seen)]
    np.testing.assert_allclose(found[[f"gaze_0_{axis}" for axis in "xyz"]], want, atol=2e-6)
    np.testing.assert_allclose(found["gaze_angle_x"], -seen["gaze_pitch"], atol=1e-3)
    assert sum("yaw is what the run's own tables call pitch" in text for text in caplog.messages) == 1


def angles(frame):
    return [{"yaw": yaw, "pitch": pitch} for yaw, pitch in zip(frame.gaze_yaw, frame.gaze_pitch, strict=True)]


def test_pyfeat_s_gaze_is_what_the_mirror_test_found_and_ours_what_the_run_calls_it(exchanged, converted):
    theirs = pd.read_csv(converted(exchanged, "pyfeat") / "videos.csv")
    ours = read_logs(converted(exchanged, "parquet") / "videos.parquet")
    np.testing.assert_allclose(theirs["gaze_yaw"], ours["gaze_pitch"].to_numpy(), atol=5.1e-5)
    np.testing.assert_allclose(theirs["gaze_pitch"], ours["gaze_yaw"].to_numpy(), atol=5.1e-5)
    long = pd.read_csv(converted(exchanged, "long") / "videos.csv").query("name == 'gaze_yaw'")
    np.testing.assert_allclose(long["value"], ours["gaze_yaw"].dropna().to_numpy(), atol=5.1e-5)


def test_openface2_of_pictures_counts_them_and_names_them(pictures, converted):
    found = as_openface2(converted(pictures, "openface2") / "pictures.csv")
    assert found["frame"].nunique() == found["path"].nunique() == len(ODD) + 2
    assert found["timestamp"].isna().all() and (found["confidence"][found.success == 0] == 0).all()


def test_what_openface2_has_and_nobody_measures_is_said(videos, converted, caplog):
    converted(videos, "openface2")
    (said,) = (record.message for record in caplog.records if "not measured" in record.message)
    assert "eye_lmk_x_0 to eye_lmk_x_55" in said and "AU45_r" in said and "AU12_c" not in said


@pytest.mark.parametrize("form", ["openface2", "pyfeat"])
def test_confidence_that_is_blank_because_no_detector_ran_is_told(run, out, pictures, tmp_path, form, caplog):
    assert run("--no_calib", "on", "--skip_detect", "on", "--faces", "best") == 0
    for logs, lines in ((out.parent, 1), (pictures, 0)):
        caplog.clear()
        assert main([str(logs), "--to", form, "--out", str(tmp_path / form)]) == 0
        assert sum("blank where no detector ran" in text for text in caplog.messages) == lines
    assert main([str(out.parent), "--to", "openface2", "--out", str(tmp_path / "of")]) == 0
    found = as_openface2(tmp_path / "of" / "pictures.csv").query("success == 1")
    assert len(found) and found["confidence"].isna().all()


def test_a_space_stands_behind_a_comma_where_that_is_wanted(videos, converted):
    path = converted(videos, "openface2", "--separator", "comma_space") / "three.csv"
    assert path.read_text().startswith("frame, face_id, timestamp")
    spaced = as_openface2(path)
    pd.testing.assert_frame_equal(spaced, as_openface2(converted(videos, "openface2") / "three.csv"))


@pytest.mark.parametrize(("form", "name"), [("openface2", "path"), ("pyfeat", "input"), ("long", "path")])
def test_a_space_behind_a_comma_does_not_change_a_name(pictures, converted, form, name):
    plain = as_openface2(converted(pictures, form) / "pictures.csv")
    spaced = as_openface2(converted(pictures, form, "--separator", "comma_space") / "pictures.csv")
    assert plain[name].notna().all()
    pd.testing.assert_frame_equal(spaced, plain)


@pytest.mark.parametrize(("logs", "table"), [("pictures", "pictures.csv"), ("videos", "three.csv")])
def test_a_table_with_spaces_behind_its_commas_is_read_as_one_without(request, converted, logs, table):
    logs = request.getfixturevalue(logs)
    plain = read_logs(converted(logs, "openface2") / table)
    spaced = read_logs(converted(logs, "openface2", "--separator", "comma_space") / table)
    pd.testing.assert_frame_equal(spaced, plain)
    assert plain["success"].dtype == bool


def test_pyfeat_s_names_hold_our_numbers(videos, converted):
    found, ours = pd.read_csv(converted(videos, "pyfeat") / "videos.csv"), read_logs(videos)
    assert found.columns[:4].tolist() == ["input", "frame", "approx_time", "FaceRectX"]
    pairs = {"FaceScore": "confidence", "Yaw": "pose_Ry", "happiness": "emotion_happy", "x_67": "x_95"}
    for theirs, name in pairs.items():
        assert sorted(found[theirs].dropna()) == pytest.approx(sorted(ours[name].dropna()), abs=0.0051)
    assert found["approx_time"].unique().tolist() == ["00:00"]


def test_the_long_form_has_a_row_for_every_number(videos, converted):
    found, ours = pd.read_csv(converted(videos, "long") / "videos.csv"), read_logs(videos)
    assert found.columns.tolist() == ["video", "frame", "timestamp", "face_id", "name", "value", "unit"]
    of_one = found[found.name == "AU12"]
    assert sorted(of_one.value) == pytest.approx(sorted(ours["AU12"].dropna()), abs=5.1e-5)
    assert (found.name == "success").sum() == len(ours) and found.value.notna().all()
    assert found[found.name == "box_w"].unit.unique().tolist() == ["px"]


def test_the_default_place_is_in_the_logs_and_is_written_again(pictures):
    place = pictures / "openface3" / "converted" / "long" / "pictures.csv"
    for _ in range(2):
        assert main([str(pictures / "openface3"), "--to", "long"]) == 0
        assert [path.name for path in place.parent.iterdir()] == ["pictures.csv"]


@pytest.mark.parametrize(("form", "name"), [("parquet", "pictures.parquet"), ("openface2", "pictures.csv")])
@pytest.mark.parametrize("content", [b"frame, face_id, timestamp\n1, 0, 0.0\n", b"\0\xff" * 100_000])
def test_what_is_not_ours_is_left(pictures, tmp_path, form, name, content, caplog):
    (tmp_path / name).write_bytes(content)
    assert main([str(pictures), "--to", form, "--out", str(tmp_path)]) == 2
    assert "is there and not of3's: move it away" in caplog.text
    assert (tmp_path / name).read_bytes() == content and len([*tmp_path.iterdir()]) == 1


def test_a_file_in_place_of_the_folder_is_refused_and_left(pictures, tmp_path, caplog):
    (tmp_path / "rep.html").write_text("mine")
    assert main([str(pictures), "--to", "long", "--out", str(tmp_path / "rep.html")]) == 2
    assert "is a file or lies in one, want a folder: pass another --out" in caplog.text
    assert (tmp_path / "rep.html").read_text() == "mine"


def test_nothing_is_converted_while_a_run_is_at_work_or_where_none_was(pictures, tmp_path, caplog):
    with locked(pictures / "openface3"):
        assert main([str(pictures), "--to", "long"]) == 2
    assert "another run writes here" in caplog.text
    assert main([str(tmp_path / "none"), "--to", "long"]) == 2
    assert "not there, want the log root" in caplog.text and not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_written_to_is_converted_elsewhere(pictures, tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr("of3.runtime.runs.reading.locked", refused)
    assert main([str(pictures), "--to", "long", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "pictures.csv").stat().st_size


def test_a_video_that_is_not_finished_is_converted_and_told(videos, tmp_path, caplog):
    logs = Path(shutil.copytree(videos, tmp_path / "logs"))
    with open_store(logs / "openface3" / "video" / "three.sqlite") as store, store.transaction():
        store.put_session(1, replace(store.sessions()[0], made={}), 1)
    assert main([str(logs), "--to", "openface2"]) == 0
    assert "three.mp4: not finished: its rows so far are converted" in caplog.text
    assert (logs / "openface3" / "converted" / "openface2" / "three.csv").exists()


def test_pictures_that_a_run_has_not_finished_are_converted_and_told(pictures, tmp_path, caplog):
    logs = Path(shutil.copytree(pictures, tmp_path / "logs"))
    run = logs / "openface3" / "run.json"
    for is_finished in (True, False):
        run.write_text(json.dumps({**json.loads(run.read_text()), "finished": is_finished}))
        assert main([str(logs), "--to", "long"]) == 0
        assert (f"{logs / 'openface3'}: not finished" in caplog.text) is not is_finished


def test_pictures_and_videos_have_their_own_tables_never_one_place(pictures, videos, tmp_path, caplog):
    logs = Path(shutil.copytree(videos, tmp_path / "logs"))
    shutil.copy(pictures / "openface3" / "records.sqlite", logs / "openface3")
    assert main([str(logs), "--to", "pyfeat"]) == 0
    made = [path.name for path in (logs / "openface3" / "converted" / "pyfeat").iterdir()]
    assert sorted(made) == ["pictures.csv", "videos.csv"]
    video = logs / "openface3" / "video"
    (video / "three.sqlite").rename(video / "pictures.sqlite")
    assert main([str(logs), "--to", "openface2"]) == 2
    assert "pictures.csv: is of the pictures and of a video" in caplog.text


def test_records_that_are_damaged_write_no_table(videos, tmp_path, caplog):
    logs = Path(shutil.copytree(videos, tmp_path / "logs"))
    records = logs / "openface3" / "video" / "three.sqlite"
    content = bytearray(records.read_bytes())
    content[content.index(b"pts")] ^= 1
    records.write_bytes(content)
    assert main([str(logs), "--to", "long"]) == 2
    assert "damaged" in caplog.text
    assert not (logs / "openface3" / "converted").exists()
