"""Calibration of the AU order through `of3 run`: what is adopted, cached, warned of and written."""

import csv
import json
import logging
import shutil

import pytest


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def au_info(out):
    return json.loads((out / "au_info.json").read_text())


def test_permuted_units_are_read_by_the_calibrated_map(run, out, permuted_root):
    run("--extra_csv", "on", root=permuted_root)
    info = au_info(out)
    assert info["calibration"]["map_au_to_idx"] == {
        "1": 2, "2": 4, "4": 1, "6": 6, "9": 5, "12": 3, "25": 7, "26": 0
    }  # fmt: skip
    au_vec = (out / "per_image/face_0.tsv").read_text().splitlines()[1].split("\t")[2].split(",")
    assert float(rows(out / "openface3_full.csv")[0]["au26"]) == pytest.approx(float(au_vec[0]), abs=1e-4)


def test_no_calib_keeps_the_documented_order_and_says_so(run, out, permuted_root):
    run("--no_calib", "on", root=permuted_root)
    assert list(au_info(out)["calibration"]["map_au_to_idx"].values()) == list(range(8))
    assert "--no_calib on" in au_info(out)["note"]


def test_the_cache_is_used_and_can_be_refused(run, out, caplog):
    caplog.set_level(logging.DEBUG, "of3.runtime.runs.calibrate")
    run()
    before = (out / "au_info.json").read_text()
    assert "AU order: from" not in caplog.text
    run()
    assert "AU order: from" in caplog.text
    assert (out / "au_info.json").read_text() == before
    caplog.clear()
    run("--calib_cache", "off")
    assert "AU order: from" not in caplog.text


def test_a_cache_of_other_weights_is_not_used(run, out, caplog, permuted_root):
    caplog.set_level(logging.DEBUG, "of3.runtime.runs.calibrate")
    run()
    run(root=permuted_root)
    assert "AU order: from" not in caplog.text
    assert au_info(out)["calibration"]["map_au_to_idx"]["26"] == 0


def test_a_map_that_its_own_matrix_contradicts_is_measured_anew_in_one_line(run, out, caplog):
    caplog.set_level(logging.INFO, "of3")
    run()
    table, info = (out / "openface3.csv").read_bytes(), au_info(out)
    order = dict(info["calibration"]["map_au_to_idx"])
    info["calibration"]["map_au_to_idx"] |= {"25": order["26"], "26": order["25"]}
    (out / "au_info.json").write_text(json.dumps(info))
    assert run("--override") == 0
    assert caplog.text.count("AU order: measured anew") == 1
    assert au_info(out)["calibration"]["map_au_to_idx"] == order
    assert (out / "openface3.csv").read_bytes() == table


def root_with_swapped_pictures(standin_root, folder):
    """AU1's picture also stands for AU2: no assignment is decisive."""
    shutil.copytree(standin_root / "images", folder / "images")
    shutil.copy(folder / "images/au/au_1.png", folder / "images/au/au_2.png")
    (folder / "weights").symlink_to(standin_root / "weights")
    return folder


def test_an_ambiguous_calibration_warns_once_and_names_the_pictures(run, out, caplog, standin_root, tmp_path):
    root = root_with_swapped_pictures(standin_root, tmp_path / "root")
    run(root=root)
    assert "au_2.png" in au_info(out)["calibration"]["ambiguous"]
    assert caplog.text.count("au_2.png") == 1
    assert list(au_info(out)["calibration"]["map_au_to_idx"].values()) == list(range(8))
    run("--calib_guard", "off", root=root)
    assert "calib_guard off" in au_info(out)["note"]


def test_missing_pictures_mean_the_documented_order(run, out, standin_root, tmp_path, caplog):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "weights").symlink_to(standin_root / "weights")
    assert run(root=tmp_path / "root") == 0
    assert au_info(out)["calibration"]["method"] == "documented_order"
    assert "au_1.png" in au_info(out)["note"]
