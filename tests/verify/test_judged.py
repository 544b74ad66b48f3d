"""What the figures of one check decide, at their bounds."""

import math
from dataclasses import replace

import numpy as np
import pytest

from of3.engines.manifest import read_bundle
from of3.export.mirror import GazeOrder
from of3.export.models import LABELS
from of3.runtime.runs.calibrate import Identity, decide, documented
from of3.verify import emotions, gaze, origin, units
from of3.verify.finding import Figure, Finding, beyond, wrong
from of3.verify.fp32 import Known
from of3.verify.pytorch import compared, exchanged
from of3.verify.subject import Picture

AUS = (1, 2, 4)
SMILING = {"a": "first.jpg", "b": "second.jpg"}
NO_PIXELS = np.zeros((1, 1, 3), np.uint8)


def ranked(**first):
    """Pictures by digest, and the emotion that each is first."""
    return [
        (Picture(f"{digest}.jpg", NO_PIXELS, digest), [(emotion, 0.9), *_others(emotion)])
        for digest, emotion in first.items()
    ]


def _others(emotion):
    return [(other, 0.1) for other in ("happy", "anger", "sad") if other != emotion]


@pytest.mark.parametrize(
    ("first", "verdict"),
    [
        ({"a": "happy", "b": "happy", "c": "sad"}, "holds"),
        ({"a": "happy"}, "holds"),
        ({"a": "anger", "b": "anger"}, "does not hold"),
        ({"a": "anger", "b": "sad"}, "does not hold"),
        ({"a": "happy", "b": "anger"}, "cannot tell"),
        ({"a": "anger"}, "cannot tell"),
        ({"c": "happy"}, "cannot tell"),
    ],
)
def test_only_faces_that_surely_smile_decide_about_emotions(first, verdict):
    assert emotions.judged(ranked(**first), SMILING, is_stand_in=False).verdict == verdict


def test_stand_ins_are_not_judged_by_their_emotions():
    assert emotions.judged(ranked(a="anger", b="anger"), SMILING, is_stand_in=True).verdict == "cannot tell"


def test_an_emotion_that_takes_the_place_of_another_is_named():
    said = emotions.judged(ranked(a="anger", b="anger"), SMILING, is_stand_in=False).said
    assert said == ("swapped: anger stands where happy belongs: first.jpg is anger, second.jpg is anger")


def calibrated(matrix, guard=True):
    return units.judged(decide(np.array(matrix), AUS, Identity("", {}, guard)), AUS)


def test_units_hold_where_every_picture_lights_up_its_own_output():
    found = calibrated([[0.9, 0.1, 0.2], [0.3, 0.8, 0.1], [0.1, 0.2, 0.7]])
    assert found.verdict == "holds"
    assert [figure.value for figure in found.figures] == pytest.approx([0.7, 0.5, 0.5])


def test_units_are_permuted_where_every_picture_lights_up_another():
    found = calibrated([[0.1, 0.9, 0.2], [0.8, 0.3, 0.1], [0.1, 0.2, 0.7]])
    assert found.verdict == "does not hold"
    assert found.said.startswith("permuted: output 1 answers to AU1, output 0 answers to AU2")


def test_units_are_left_open_where_two_pictures_light_up_the_same():
    found = calibrated([[0.9, 0.1, 0.2], [0.3, 0.8, 0.1], [0.1, 0.8, 0.7]])
    assert found.verdict == "cannot tell"
    assert "au_4.png" in found.said
    assert "keeps the documented order" in found.remedy


def test_units_are_left_open_without_pictures():
    found = units.judged(documented(AUS, "documented order: au_1.png: no such file"), AUS)
    assert (found.verdict, found.exhibits) == ("cannot tell", ())


@pytest.mark.parametrize(
    ("order", "verdict"),
    [("yaw_pitch", "holds"), ("pitch_yaw", "does not hold"), ("undetermined", "cannot tell")],
)
def test_gaze_is_judged_by_the_order_that_tables_have(order, verdict):
    found = gaze.judged(GazeOrder(order, 9, (0.9, 0.1), (1.0, 0.0), 0.8), ("yaw", "pitch"))
    assert found.verdict == verdict
    assert [figure.value for figure in found.figures] == [0.9, 1.0, 0.1, 0.0, 0.8]


def test_gaze_of_too_few_faces_is_left_open():
    found = gaze.judged(GazeOrder("undetermined", 2, (), (), 0.0), ("yaw", "pitch"))
    assert found.verdict == "cannot tell"
    assert "--faces" in found.remedy


@pytest.mark.parametrize("value", [1.1, math.nan])
def test_a_figure_beyond_its_bound_is_said_with_it(value):
    figure = Figure("au", "largest", value, "presence", at_most=1.0)
    assert beyond([figure]) == f"au largest {value:.3g} presence, want at most 1"
    assert not Figure("au", "margin", math.nan, "presence", at_least=0.0).is_kept


def test_figures_without_a_bound_are_only_told():
    assert beyond([Figure("au", "median", math.nan, "presence")]) == ""


def test_what_is_wrong_is_named_by_check_and_item():
    findings = [
        Finding("a", "x", "holds", ""),
        Finding("b", "y", "does not hold", ""),
        Finding("c", "z", "cannot tell", ""),
    ]
    assert wrong(findings) == ["b: y"]


@pytest.mark.parametrize(
    ("shift", "verdict"),
    [(5e-5, "holds"), (5e-4, "cannot tell"), (0.1, "does not hold"), (math.nan, "does not hold")],
)
def test_a_difference_from_pytorch_is_judged_by_the_exports_bound_and_by_what_roundings_do(
    bundle_folder, shift, verdict
):
    card = read_bundle(bundle_folder).model("multitask")
    rows = np.zeros((3, 3, 224, 224), np.float32)
    outputs = {each.name: np.zeros((3, int(each.shape[1])), np.float32) for each in card.outputs}
    other = outputs | {"emotion_logits": outputs["emotion_logits"] + np.float32(shift)}
    assert 1e-4 < card.check.bounds["fp32"]["emotion_logits"] < 0.1
    found = compared(Known(card, [rows], [outputs]), [other], dict.fromkeys(outputs, 1e-4), "12345678")
    assert found.verdict == verdict


def test_columns_that_changed_places_are_named_and_columns_that_differ_are_not():
    there = np.arange(12, dtype=np.float32).reshape(3, 4)
    here = there[:, [0, 2, 1, 3]]
    names = ("n", "h", "s", "a")
    assert list(exchanged(here, there, 1e-4, names)) == ["in the place of h stands s, s stands h"]
    assert list(exchanged(here * 1.5, there, 1e-4, names)) == []


def test_equal_columns_that_stayed_are_not_taken_for_exchanged():
    there = np.zeros((3, 4), np.float32)
    there[:, 1], there[:, 2] = 1, 2
    here = there[:, [0, 2, 1, 3]]
    assert list(exchanged(here, there, 1e-4, "nhsa")) == ["in the place of h stands s, s stands h"]


def test_labels_are_those_that_tables_have():
    assert origin.labelled(LABELS).verdict == "holds"
    other = replace(LABELS, aus=(2, 1, *LABELS.aus[2:]), emotions=LABELS.emotions[:7])
    assert origin.labelled(other).said == (
        "bundle.json: aus 0: got 2, want 1; aus 1: got 1, want 2; emotions: got 7"
    )
