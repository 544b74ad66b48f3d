"""A page's file: whole, escaped, and asking nobody for anything."""

import base64
import hashlib
import json
import re
import sys

import numpy as np
import pytest

from of3.runtime.pages import html
from of3.runtime.pages.charts import bars, density, histogram
from of3.runtime.pages.html import VENDOR
from of3.runtime.pages.page import Caution, Figure, Page, Section, Sheet, Table, Text, Verdict
from of3.runtime.types import RunError

pytest.importorskip("jinja2", reason="the extra report is not installed")
NASTY = "</script><img src=x onerror=alert(1)>'\""
# One pixel.
PICTURE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def page_of(*parts, datasets=None):
    return Page(NASTY, NASTY, [Section(NASTY, parts)], [NASTY], datasets or {})


def test_names_stand_in_a_page_as_text():
    chart = bars(NASTY, {NASTY: 3})
    sheet = Sheet(NASTY, [Figure(PICTURE, NASTY, NASTY)])
    nested = Section(NASTY, [Text(NASTY)], is_closed=True)
    table = Table(NASTY, [NASTY], [[NASTY]])
    datasets = {NASTY: {NASTY: [NASTY]}}
    made = html.html(page_of(chart, sheet, nested, table, Caution(NASTY), datasets=datasets))
    assert NASTY not in made and "<img src=x" not in made
    assert made.count("</script>") == made.count("<script")


def test_every_script_is_allowed_by_its_digest_and_nothing_else_is():
    made = html.html(page_of(Text("x")))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', made)
    scripts = re.findall(r"<script>(.*?)</script>", made, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in scripts]
    assert len(scripts) == 4
    assert policy.replace("&#39;", "'").split("; ") == [
        "default-src 'none'",
        "script-src " + " ".join(f"'sha256-{digest}'" for digest in digests),
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_a_name_that_no_utf8_can_hold_does_not_break_the_page():
    html.html(page_of(Text("\udcff"))).encode()


def test_verdicts_are_words_and_not_colours_alone():
    verdicts = Verdict("holds"), Verdict("does not hold"), Verdict("cannot tell")
    made = html.html(page_of(Table("t", ["a", "b"], [["x", each] for each in verdicts])))
    assert [f">{each.word}</span>" in made for each in verdicts] == [True] * 3


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_section_may_have_a_verdict_beside_its_title(is_closed):
    section = Section("Inner", [Text("t")], is_closed=is_closed, verdict=Verdict("does not hold"))
    made = html.html(page_of(section, Section("Plain", [])))
    assert made.count(">does not hold</span>") == 1
    top = Page("t", "s", [Section("Outer", [], verdict=Verdict("holds"))], [], {})
    assert re.search(r"<h2[^>]*>\s*Outer <span class=\"verdict holds\">holds</span>", html.html(top))


def test_vendored_scripts_are_those_that_were_reviewed():
    lines = (VENDOR / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in map(str.split, lines)}
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.glob("*.js")}
    assert there == sums


def test_charts_hold_counts_and_no_rows():
    chart = histogram("AU12", "score", [0.0, 0.5, 1.0], [7, 9])
    assert chart.spec["data"]["values"] == [
        {"from": 0, "to": 0.5, "count": 7},
        {"from": 0.5, "to": 1, "count": 9},
    ]
    counts = np.array([[0, 2], [0, 0]])
    chart = density("gaze", ("yaw", "pitch"), ([0, 1, 2], [0, 1, 2]), counts)
    assert chart.spec["data"]["values"] == [{"x": 0, "x2": 1, "y": 1, "y2": 2, "count": 2}]
    assert json.dumps(chart.spec)


def test_without_jinja2_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    html._environment.cache_clear()
    with pytest.raises(RunError, match=r"of3\[report\]"):
        html.html(page_of())
