import csv
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from of3.runtime.logs.folder import Mode, RunLogs
from of3.runtime.logs.items import Item, Stamp
from of3.runtime.logs.made import OutputNames, Run
from of3.runtime.logs.names import stem_at, stems
from of3.runtime.logs.rows import (
    CSV_COLUMNS,
    FULL_COLUMNS,
    RowOptions,
    full_row,
    pts_text,
    record_row,
    tsv_text,
)
from of3.runtime.logs.writer import Writer, write_au_info
from of3.runtime.remarks import TILTED
from of3.runtime.types import Failure, RawValues, Record

STAMP = Stamp(10, 20)
AUS = {1: 0.01, 2: 0.02, 4: 0.04, 6: 0.06, 9: 0.09, 12: 0.6, 25: 0.7, 26: 0.2}


def record(source="in/a.jpg", confidence=None, aus=None, landmarks=None):
    raw = RawValues(
        np.array([1, 2.5], np.float32), np.array([0.1, -0.25], np.float32), np.array([0.5, 0.25], np.float32)
    )
    return Record(
        source=source,
        emotion="happy",
        probabilities={"neutral": 0.1, "happy": 0.65432, "sad": 0.24568},
        gaze_rad={"yaw": 0.1234567, "pitch": -0.2},
        aus={**AUS, **(aus or {})},
        raw=raw,
        box=None,
        confidence=confidence,
        landmarks=landmarks,
    )


def test_columns_are_the_originals():
    assert ",".join(CSV_COLUMNS) == (
        "path,file,pose_yaw,pose_pitch,eyes,mouth,smile,teeth,emotion,emotion_conf,"
        "au12,au25,au26,au45,confidence,success"
    )
    assert ",".join(FULL_COLUMNS) == (
        "path,file,pose_yaw,pose_pitch,emotion_topk,au1,au2,au4,au6,au9,au12,au25,au26"
    )


def test_a_row_has_the_originals_formats():
    assert ",".join(record_row(record(), RowOptions())) == (
        "in/a.jpg,a.jpg,0.123,-0.200,,open,smile,likely,happy,0.6543,0.6000,0.7000,0.2000,,,1"
    )


@pytest.mark.parametrize(
    ("aus", "words"),
    [
        ({12: 0.5, 25: 0.5}, ["open", "smile", "likely"]),
        ({12: 0.49, 25: 0.5}, ["open", "neutral", ""]),
        ({12: 0.5, 25: 0.1, 26: 0.49}, ["closed", "smile", ""]),
        ({12: 0.1, 25: 0.1, 26: 0.5}, ["open", "neutral", ""]),
    ],
)
def test_mouth_smile_and_teeth_follow_the_thresholds(aus, words):
    assert record_row(record(aus=aus), RowOptions())[5:8] == words


def test_confidence_stands_where_the_detector_ran():
    assert record_row(record(confidence=0.98765), RowOptions())[14] == "0.9877"


@pytest.mark.parametrize(
    ("topk", "text"), [(0, ""), (2, "happy:0.6543,sad:0.2457"), (9, "happy:0.6543,sad:0.2457,neutral:0.1000")]
)
def test_topk_is_sorted_pairs(topk, text):
    row = full_row(record(), topk)
    assert row[4] == text
    assert row[5:] == ["0.0100", "0.0200", "0.0400", "0.0600", "0.0900", "0.6000", "0.7000", "0.2000"]


def test_per_image_text():
    assert tsv_text(record()) == (
        "gaze_yaw\tgaze_pitch\tAU_vec\temotion_logits\n"
        "0.123457\t-0.200000\t0.500000,0.250000\t1.000000,2.500000\n"
    )


def test_pts_text():
    text = pts_text(np.array([[1, 2.5], [-3, 4.12345]], np.float32))
    assert text == "version: 1\nn_points: 2\n{\n1.000 2.500\n-3.000 4.123\n}\n"


def test_stems_stay_short_enough_for_a_file_name_and_apart():
    relatives = ["p" * 251 + ".jpg", "p" * 250 + "q.jpg", "é" * 120 + ".png"]
    firsts = [stem_at(relative, 0) for relative in relatives]
    assert len(set(firsts)) == 3
    assert all(len(os.fsencode(stem)) <= 200 for relative in relatives for stem in stems(relative))


def write(folder, result, options):
    item = Item(result.source, STAMP)
    names = OutputNames(("neutral", "happy", "sad"), ("yaw", "pitch"), dict.fromkeys(AUS, 0))
    with RunLogs(folder, Run({}, options, "in", names, {}), Mode()) as logs:
        Writer(folder, "in", options).write(result, item)
        logs.add(logs.entries([(item, result)]))
        logs.finish()


def test_a_failed_picture_is_a_row_and_an_error(tmp_path):
    write(tmp_path, Failure("in/a.jpg", "detect", "no face"), RowOptions())
    assert (tmp_path / "openface3.csv").read_text().splitlines()[1] == "in/a.jpg,a.jpg" + "," * 13 + ",0"
    assert (tmp_path / "errors.tsv").read_text() == "path\tstage\treason\nin/a.jpg\tdetect\tno face\n"
    assert not (tmp_path / "per_image").exists()


def run_once(folder, options, name="in/a.jpg"):
    folder.mkdir(exist_ok=True)
    write(folder, record(name, landmarks=np.ones((2, 2), np.float32)), options)


def test_a_box_is_a_row_with_which_face_of_how_many(tmp_path):
    points = np.arange(10, dtype=np.float32).reshape(5, 2)
    boxed = replace(record(confidence=0.95), box=(10.0, 20.0, 40.0, 60.5), points=points, faces=3, face=1)
    write(tmp_path, boxed, RowOptions(extra_csv=True))
    with (tmp_path / "openface3_boxes.csv").open() as file:
        ((row),) = csv.DictReader(file)
    assert list(row)[:8] == ["path", "faces", "face", "x", "y", "w", "h", "confidence"]
    assert list(row.values())[:8] == ["in/a.jpg", "3", "1", "10.00", "20.00", "30.00", "40.50", "0.9500"]
    assert [float(value) for value in list(row.values())[8:]] == list(range(10))


def test_a_picture_of_two_notes_has_a_line_for_each(tmp_path):
    sideways = np.array([[0, 0], [0, 10], [5, 5], [10, 0], [10, 10]], np.float32)  # the mouth to the right
    noted = replace(record(), damage="no end", points=sideways, remarks=(TILTED,))
    write(tmp_path, noted, RowOptions())
    assert (tmp_path / "errors.tsv").read_text().splitlines()[1:] == [
        "in/a.jpg\tread\tdamaged: no end",
        "in/a.jpg\tdetect\ttilted: 90 degrees",
    ]


def test_files_follow_the_options(tmp_path):
    run_once(tmp_path / "1", RowOptions(per_image=False))
    assert sorted(os.listdir(tmp_path / "1" / "per_image")) == ["a.landmarks.json"]
    run_once(tmp_path / "2", RowOptions(landmarks_fmt="json"))
    assert sorted(os.listdir(tmp_path / "2" / "per_image")) == ["a.landmarks.json", "a.tsv"]
    run_once(tmp_path / "3", RowOptions(landmarks_fmt="both"))
    assert sorted(os.listdir(tmp_path / "3" / "per_image")) == ["a.landmarks.json", "a.landmarks.pts", "a.tsv"]
    points = json.loads((tmp_path / "3" / "per_image" / "a.landmarks.json").read_text())
    assert points == {"points": [[1.0, 1.0], [1.0, 1.0]]}
    run_once(tmp_path / "4", RowOptions(extra_csv=True, csv_emotion_topk=1))
    assert "happy:0.6543" in (tmp_path / "4" / "openface3_full.csv").read_text()


@pytest.mark.parametrize(
    "name", ['a "b",c.jpg', "=1+1.jpg", "tab\there.jpg", "car\rriage.jpg", "line\nbreak.jpg", "\udcff.jpg"]
)
def test_any_name_reads_back_equal(tmp_path, name):
    run_once(tmp_path, RowOptions(), f"in/{name}")
    with (tmp_path / "openface3.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["file"] == name
    assert row["path"] == f"in/{name}"


def test_rivals_write_au_info_each_by_a_name_of_its_own(tmp_path):
    """Shares that settle what makes the rows at the same moment."""

    def write(number):
        for _ in range(50):
            write_au_info(tmp_path, {"by": 0}, tmp_path / f"writing.{number}")

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(write, number) for number in range(8)]:
            done.result()
    assert json.loads((tmp_path / "au_info.json").read_text()) == {"by": 0}
    assert [path.name for path in tmp_path.iterdir()] == ["au_info.json"]
