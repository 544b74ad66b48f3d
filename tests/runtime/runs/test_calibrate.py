import json
import logging
import os
import shutil
from itertools import permutations

import numpy as np
import pytest

from of3.engines.manifest import read_bundle
from of3.runtime.pipeline import Pipeline
from of3.runtime.runs.calibrate import (
    METHOD_ASSIGNMENT,
    METHOD_DOCUMENTED,
    Identity,
    assign,
    calibrate,
    calibration_of,
    decide,
    read_cache,
    to_document,
)
from of3.runtime.types import Record

AUS = (1, 2, 4)
DECISIVE = np.array([[0.1, 0.9, 0.2], [0.8, 0.1, 0.3], [0.1, 0.2, 0.7]], np.float32)
AMBIGUOUS = np.array([[0.9, 0.1, 0.1], [0.1, 0.8, 0.85], [0.1, 0.4, 0.8]], np.float32)
PERMUTED = {26: 0, 4: 1, 1: 2, 12: 3, 2: 4, 9: 5, 6: 6, 25: 7}


def identity(guard=True, bundle="b"):
    return Identity(bundle, {"au_1.png": "x"}, guard)


def test_the_assignment_is_the_best_of_all():
    for seed in range(20):
        matrix = np.random.default_rng(seed).normal(size=(5, 5))
        best = max(permutations(range(5)), key=lambda p: sum(matrix[r, c] for r, c in enumerate(p)))
        assert assign(matrix) == best


def test_the_assignment_is_not_the_greedy_one():
    assert assign(np.array([[0.9, 0.8], [0.85, 0.1]])) == (1, 0)


def test_a_decisive_matrix_is_adopted():
    found = decide(DECISIVE, AUS, identity())
    assert found.au_to_index == {1: 1, 2: 0, 4: 2}
    assert found.method == METHOD_ASSIGNMENT
    assert found.score == pytest.approx(2.4)
    assert found.row_margins == pytest.approx([0.7, 0.5, 0.5])
    assert not found.ambiguous


def test_an_ambiguous_matrix_keeps_the_documented_order_and_names_the_picture():
    found = decide(AMBIGUOUS[:, ::-1], AUS, identity())
    assert found.au_to_index == {1: 0, 2: 1, 4: 2}
    assert found.method == METHOD_DOCUMENTED
    assert found.ambiguous == ["au_2.png"]
    assert "au_2.png" in found.note
    assert found.row_margins[1] == pytest.approx(0.0)


def test_without_the_guard_the_originals_rule_is_used():
    found = decide(AMBIGUOUS[:, ::-1], AUS, identity(guard=False))
    assert found.au_to_index == {1: 2, 2: 1, 4: 0}
    assert "calib_guard off" in found.note


@pytest.mark.parametrize("matrix", [DECISIVE, AMBIGUOUS])
@pytest.mark.parametrize("guard", [True, False])
def test_au_info_reads_back_what_was_written(tmp_path, matrix, guard):
    found = decide(matrix, AUS, identity(guard))
    path = tmp_path / "au_info.json"
    path.write_text(json.dumps(to_document(found, AUS)))
    assert read_cache(path, identity(guard), AUS) == found


def test_au_info_has_the_fields_scripts_read():
    document = to_document(decide(DECISIVE, AUS, identity()), AUS)
    assert document["source"] == "openface3"
    assert document["order"] == [1, 2, 4]
    assert document["names"] == ["AU1", "AU2", "AU4"]
    assert {"method", "map_au_to_idx", "matrix", "row_margins", "score", "au_order"} <= set(
        document["calibration"]
    )


@pytest.mark.parametrize(
    "other", [identity(bundle="c"), identity(guard=False), Identity("b", {"au_1.png": "y"}, True)]
)
def test_a_cache_of_another_identity_is_not_used(tmp_path, other):
    path = tmp_path / "au_info.json"
    path.write_text(json.dumps(to_document(decide(DECISIVE, AUS, identity()), AUS)))
    assert read_cache(path, other, AUS) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"calibration": {"map_au_to_idx": {"1": 0}}}', "null"])
def test_a_file_that_is_no_cache_is_not_used(tmp_path, text):
    path = tmp_path / "au_info.json"
    path.write_text(text)
    assert read_cache(path, identity(), AUS) is None


def changes():
    """What makes a file of another calibration's numbers of the right one."""

    def of(*way):
        def change(document, value):
            for name in way[:-1]:
                document = document[name]
            document[way[-1]] = value

        return change

    the_map, matrix = ("calibration", "map_au_to_idx"), ("calibration", "matrix")
    yield "a map its matrix contradicts", of(*the_map), {"1": 2, "2": 1, "4": 0}
    yield "a map of booleans", of(*the_map), {"1": True, "2": False, "4": 2}
    yield "a map of floats", of(*the_map, "1"), 1.0
    yield "a map to an output that is not", of(*the_map, "1"), 99
    yield "a map of more", of(*the_map, "6"), 3
    yield "a huge number", of(*matrix, 0, 0), 10**300
    yield "not a number", of(*matrix, 0, 0), float("nan")
    yield "no end", of(*matrix, 0, 0), float("inf")
    yield "beyond reason", of(*matrix, 0, 0), 3e38
    yield "a boolean", of(*matrix, 0, 0), True
    yield "a text", of(*matrix, 0, 0), "0.1"
    yield "another number", of(*matrix, 0, 0), 0.9
    yield "a row less", of(*matrix), [[0.1, 0.9, 0.2], [0.8, 0.1, 0.3]]
    yield "a short row", of(*matrix, 2), [0.1, 0.2]
    yield "no matrix", of(*matrix), None
    yield "a matrix of a million", of(*matrix), [[0.0] * 1000] * 1000
    yield "another method", of("calibration", "method"), METHOD_DOCUMENTED
    yield "another note", of("note"), "trust me"
    yield "other margins", of("calibration", "row_margins"), [9.0, 9.0, 9.0]
    yield "another order", of("order"), [4, 2, 1]
    yield "more than that", of("extra"), 1


@pytest.mark.parametrize(
    ("change", "value"), [each[1:] for each in changes()], ids=[each[0] for each in changes()]
)
def test_a_cache_that_does_not_say_what_its_matrix_says_is_measured_anew(tmp_path, caplog, change, value):
    caplog.set_level(logging.INFO, "of3")
    document = json.loads(json.dumps(to_document(decide(DECISIVE, AUS, identity()), AUS)))
    path = tmp_path / "au_info.json"
    path.write_text(json.dumps(document))
    assert read_cache(path, identity(), AUS) is not None
    change(document, value)
    path.write_text(json.dumps(document))
    assert read_cache(path, identity(), AUS) is None
    (line,) = caplog.messages
    assert line.startswith("AU order: measured anew")
    assert len(line.replace(str(path), "")) < 200


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b'{"calibration":' * 50_000, b"9" * 100_000, b"\xff\xfe", b"{" + b" " * (2 << 20)],
)
def test_a_file_made_to_harm_is_measured_anew(tmp_path, content):
    path = tmp_path / "au_info.json"
    path.write_bytes(content)
    assert read_cache(path, identity(), AUS) is None


def test_a_cache_that_is_no_file_is_measured_anew_at_once(tmp_path):
    path = tmp_path / "au_info.json"
    os.mkfifo(path)
    assert read_cache(path, identity(), AUS) is None
    path.unlink()
    path.mkdir()
    assert read_cache(path, identity(), AUS) is None


def test_a_giant_is_not_read(tmp_path):
    path = tmp_path / "au_info.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert read_cache(path, identity(), AUS) is None


def measured(root, guard=True):
    with Pipeline.open(root / "weights" / "of3_bundle") as pipeline:
        return calibration_of(pipeline.bundle, root / "images" / "au", None, guard, pipeline.au_scores)


def test_an_open_pipeline_gives_the_map_that_it_takes(permuted_root, caplog):
    with Pipeline.open(permuted_root / "weights" / "of3_bundle") as pipeline:
        found = calibrate(pipeline, str(permuted_root / "images" / "au"))
        (result,) = pipeline.run(permuted_root / "images" / "au" / "au_12.png", found)
        documented = calibrate(pipeline, permuted_root / "none")
    assert found == PERMUTED
    assert list(documented.values()) == list(range(8))
    assert isinstance(result, Record)
    assert max(result.aus, key=lambda au: result.aus[au]) == 12
    assert "AU order: documented order: " in caplog.messages[-1]


def test_permuted_prototypes_are_found_on_the_real_graph(permuted_root):
    found = measured(permuted_root)
    assert found.method == METHOD_ASSIGNMENT
    assert found.au_to_index == PERMUTED


def test_the_documented_order_is_found_on_the_real_graph(standin_root):
    assert list(measured(standin_root).au_to_index.values()) == list(range(8))


@pytest.mark.parametrize("damage", ["missing", "unreadable"])
def test_a_picture_that_cannot_be_read_means_the_documented_order(standin_root, tmp_path, damage):
    shutil.copytree(standin_root / "images" / "au", tmp_path / "au")
    path = tmp_path / "au" / "au_9.png"
    path.unlink() if damage == "missing" else path.write_text("no picture")
    bundle = read_bundle(standin_root / "weights" / "of3_bundle")
    found = calibration_of(bundle, tmp_path / "au", None, True, lambda images: pytest.fail("measured"))
    assert found.method == METHOD_DOCUMENTED
    assert found.made_from is None
    assert "au_9.png" in found.note
