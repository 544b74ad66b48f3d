"""A page in a real Chromium."""

import json

import cv2
import numpy as np
import pytest

from of3.runtime.pages.charts import bars, density, histogram
from of3.runtime.pages.html import html
from of3.runtime.pages.page import Cell, Chart, Figure, Page, Section, Sheet, Table, Text, Verdict

pytest.importorskip("jinja2", reason="the extra report is not installed")
NASTY = "</script><img src=x onerror=document.title='run'>"
PICTURE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
LINES = {
    "data": {"name": "lines"},
    "vconcat": [{"mark": "line", "encoding": {axis: {"field": axis, "type": "quantitative"} for axis in "xy"}}],
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    charts = [
        histogram("AU12", "score", [0.0, 0.5, 1.0], [7, 9]),
        bars("words", {NASTY: 3, "b": 4}),
        density("gaze", ("x", "y"), ([0, 1, 2], [0, 1, 2]), np.array([[1, 2], [3, 4]])),
        Chart("lines", "lines", LINES, is_wide=True),
    ]
    rows: list[list[Cell]] = [["x" * 200, Verdict("holds")], [NASTY, Verdict("cannot tell")]]
    sections = [
        Section("Charts", charts),
        Section("Rest", [Table("t", ["a", "b"], rows), Sheet("s", [Figure(PICTURE, NASTY, "n")])]),
        Section("Closed", [Section("More", [Text("t"), bars("closed", {"a": 1})], is_closed=True)]),
    ]
    page = Page(NASTY, "sub", sections, ["foot"], {"lines": {"x": [0, 1], "y": [2, 1]}})
    made = tmp_path_factory.mktemp("page") / "page <b>&.html"
    made.write_text(html(page), "utf-8")
    return made


def colours_of(browser, number):
    """How many the pixels of a chart have."""
    script = (
        f"(() => {{ const canvas = document.querySelectorAll('.drawn canvas')[{number}];"
        "const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);"
        "return new Set(new Uint32Array(data.buffer)).size })()"
    )
    return browser.value(script)


@pytest.mark.parametrize("width_px", [1280, 400])
@pytest.mark.parametrize("is_dark", [False, True])
def test_charts_are_drawn_without_an_error_or_a_request(browser, path, width_px, is_dark):
    browser.show(path, width_px, 900, is_dark)
    assert browser.messages == []
    assert [each for each in browser.requests if not each.startswith("data:")] == [path.as_uri()]
    assert [colours_of(browser, number) > 2 for number in range(4)] == [True] * 4
    assert browser.value("document.documentElement.scrollWidth") <= width_px
    pixels = cv2.imdecode(np.frombuffer(browser.picture(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert pixels is not None
    assert (pixels[:, :8].mean() < 128) == is_dark


def test_what_a_name_holds_does_not_run(browser, path):
    browser.show(path, 800, 900)
    assert browser.value("document.title") == NASTY
    assert browser.value("document.querySelectorAll('img[src=x]').length") == 0


def test_nothing_that_is_put_into_the_page_later_runs(browser, path):
    browser.show(path, 800, 900)
    late = "s = document.createElement('script'); s.textContent = 'document.title = 1'; document.body.append(s)"
    browser.value(late)
    browser.value("fetch('https://127.0.0.1/').catch(() => 0)")
    assert browser.value("document.title") == NASTY
    told = [json.loads(message).get("entry", {}).get("text", "") for message in browser.messages]
    assert len(told) >= 2 and all("Content Security Policy" in each for each in told)


def test_a_chart_that_is_closed_is_drawn_when_it_is_opened(browser, path):
    browser.show(path, 800, 900)
    assert browser.value("document.querySelectorAll('details.part canvas').length") == 0
    browser.value("document.querySelector('details.part summary').focus()")
    browser.press("Enter")
    browser.wait("document.querySelectorAll('details.part canvas').length === 1")


def test_a_picture_is_enlarged_and_closed_by_keys(browser, path):
    browser.show(path, 800, 900)
    browser.value("document.querySelector('button.enlarge').focus()")
    browser.press("Enter")
    browser.wait("document.querySelector('dialog').open")
    assert browser.value("document.querySelector('dialog figcaption').textContent") == NASTY
    browser.press("Escape")
    browser.wait("!document.querySelector('dialog').open")
    assert browser.value("document.activeElement.className") == "enlarge"


def test_charts_follow_the_width_of_the_window(browser, path):
    browser.show(path, 1200, 900)
    before = browser.value("document.querySelectorAll('.drawn canvas')[3].clientWidth")
    browser.ask("Emulation.setDeviceMetricsOverride", width=500, height=900, deviceScaleFactor=1, mobile=False)
    browser.wait(f"document.querySelectorAll('.drawn canvas')[3].clientWidth < {before}")
    browser.wait("document.documentElement.scrollWidth <= 500")
