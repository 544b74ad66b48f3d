"""The page and the JSON file of findings of every kind."""

import json
import re

import numpy as np
import pytest

from of3.verify.document import document
from of3.verify.finding import Drawing, Figure, Finding, HeatMap, Listing
from of3.verify.page import page_of

NASTY = "<b>&\"'</script>"
COLOURS = """(() => {
    const canvas = document.querySelector('.drawn canvas');
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size })()"""
MADE_WITH = {"bundle": "DIR, sha256 abc", "machine": NASTY}
FINDINGS = [
    Finding("labels", "order of outputs", "holds", "as documented"),
    Finding(
        "engine",
        "multitask on cpu bf16",
        "does not hold",
        "drifts",
        "run `of3 build`",
        [
            Figure("au", "from fp32: median", 1e-6, "presence"),
            Figure("au", "largest", 0.25, "presence", at_most=0.1),
            Figure("gaze_rad", "largest", 1e-3, "rad", at_most=0.1),
        ],
    ),
    Finding(
        "action units",
        "order of outputs",
        "holds",
        "decisive",
        "",
        [Figure("au_1.png", "margin over the next output", 0.3, "presence", at_least=0.0)],
        [HeatMap("Presence", ["au_1.png", "au_2.png"], ["0: AU1", "1: AU2"], [[0.9, 0.1], [0.2, 0.8]], [0, 1])],
    ),
    Finding(
        "landmarks",
        "on faces",
        "cannot tell",
        NASTY,
        "",
        [],
        [[Drawing(NASTY, np.full((32, 32, 3), 200, np.uint8), "2 % off")], Listing("Ranks", ["a"], [[NASTY]])],
    ),
]


@pytest.fixture(scope="module")
def page():
    return page_of(MADE_WITH, FINDINGS)


def test_what_does_not_hold_is_said_first(page):
    assert "Does not hold: engine: multitask on cpu bf16." in page
    verdicts = re.findall(r">(holds|does not hold|cannot tell)<", page)
    assert verdicts == ["does not hold", "cannot tell", "holds", "holds"]


def test_figures_of_a_quantity_stand_in_a_row_with_their_bounds(page):
    text = re.sub(r"\s*<[^>]+>\s*", "|", page)
    assert "|multitask on cpu bf16: figures" in text
    row = re.search(r"\|au, presence\|+1e-06\|+FAILS: 0\.25 ≤ 0\.1\|", text)
    assert row is not None


def test_names_stand_in_the_page_as_text(page):
    assert NASTY not in page
    assert "<b>" not in page


def test_the_json_file_holds_every_finding_with_its_figures():
    told = json.loads(document(MADE_WITH, FINDINGS))
    assert (told["format"], told["revision"]) == ("of3-verify", 1)
    assert told["wrong"] == ["engine: multitask on cpu bf16"]
    assert [each["verdict"] for each in told["findings"]] == [finding.verdict for finding in FINDINGS]
    assert told["findings"][1]["figures"][1] == {
        "of": "au",
        "name": "largest",
        "value": 0.25,
        "unit": "presence",
        "at_most": 0.1,
        "at_least": None,
    }
    assert told["findings"][2]["exhibits"][0]["taken"] == [0, 1]
    assert told["findings"][3]["exhibits"][0] == [{"name": NASTY, "note": "2 % off"}]


def test_the_heat_map_is_drawn_without_an_error_or_a_request(page, browser, tmp_path):
    path = tmp_path / "verify.html"
    path.write_text(page, "utf-8")
    browser.show(path, 900, 900)
    assert browser.messages == []
    assert [each for each in browser.requests if not each.startswith("data:")] == [path.as_uri()]
    assert browser.value(COLOURS) > 4  # a cell each, and the frames
