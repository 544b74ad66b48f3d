"""`of3 report`: logs of runs, and the page that a browser shows of them."""

import os
import re
from dataclasses import replace
from html import unescape

import pytest

from of3.runtime.commands.report import main
from of3.runtime.logs.store import open_store
from of3.runtime.runs.lock import locked
from tools.made_logs import drawn, write_pictures, write_video

pytest.importorskip("jinja2", reason="the extra report is not installed")
ODD = [
    "<img src=x onerror=alert(1)>.jpg",
    "&quot;'\".jpg",
    "\u202egpj.exe",
    "new\nline.jpg",
    "\udcff.jpg",
    "NA.jpg",
]


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """60 pictures, some of odd names; videos of three people, of one, whose lines have a point for two frames
    each, and of nobody.
    """
    folder, logs = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("logs")
    write_pictures(logs, drawn(folder, [*ODD, *(f"face_{number:02d}.jpg" for number in range(54))]))
    write_video(logs, str(folder / "three <b>people.mp4"), "three", 200)
    write_video(logs, str(folder / "long.mp4"), "sub/long", 700, 1)
    write_video(logs, str(folder / "empty.mp4"), "empty", 30, 0)
    return logs


@pytest.fixture(scope="module")
def page(logs):
    assert main([str(logs)]) == 0
    return logs / "openface3" / "report.html"


def text_of(path):
    """What stands between tags, of all but scripts and styles."""
    content = re.sub(r"<(script|style).*?</\1>", "", path.read_text("utf-8"), flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]*>", " ", content))


def test_the_page_says_what_the_records_say(page):
    text = " ".join(text_of(page).split())
    assert "pictures 60 with the face that was asked for 54 (90.0%) failed 6 (10.0%)" in text
    assert "no face detect 3 (5.0%)" in text
    assert "STAND-IN WEIGHTS" in text
    assert "tensorrt: no NVIDIA GPU here" in text
    assert "tiny the box's shorter side is below 32 px; the networks see 224 2 (3.7%)" in text
    assert "three <b>people.mp4" in text


def test_names_are_told_as_they_are_and_do_nothing(page):
    text = text_of(page)
    assert "<img src=x onerror=alert(1)>.jpg" in text
    assert "\u202e" not in text
    assert "<img src=x" not in page.read_text("utf-8")


@pytest.mark.parametrize("width_px", [1280, 400])
def test_it_is_shown_without_an_error_or_a_request(browser, page, width_px):
    browser.show(page, width_px, 900)
    assert browser.messages == []
    assert [each for each in browser.requests if not each.startswith("data:")] == [page.as_uri()]
    assert browser.value("document.documentElement.scrollWidth") <= width_px
    assert browser.value("document.querySelectorAll('figure.chart').length") == 38
    drawn = "[...document.querySelectorAll('figure.chart')].filter(each => !each.view).length"
    assert browser.value(drawn) == 0
    assert browser.value("[...document.images].every(each => !each.src || each.naturalWidth > 0)")


def test_a_part_of_a_video_is_marked_and_another_unit_chosen(browser, page):
    browser.show(page, 1200, 900)
    chart = "[...document.querySelectorAll('figure.chart.wide')].find(each => each.querySelector('form'))"
    browser.value(f"{chart}.scrollIntoView()")
    x, y = browser.value(f"(r => [r.x, r.y])({chart}.querySelector('canvas').getBoundingClientRect())")
    shown = f"{chart}.view.view.scale('concat_1_x').domain()"
    before = browser.value(shown)
    browser.move(x + 300, y + 60)
    browser.move(x + 300, y + 60, "mousePressed", button="left", buttons=1, clickCount=1)
    for across in range(300, 520, 20):
        browser.move(x + across, y + 60, button="left", buttons=1)
    browser.move(x + 500, y + 60, "mouseReleased", button="left", clickCount=1)
    browser.wait(f"JSON.stringify({shown}) !== '{str(before).replace(' ', '')}'")
    start_s, end_s = browser.value(shown)
    assert before[0] < start_s < end_s < before[1]
    browser.value(f"{chart}.querySelector('select').focus()")
    browser.press("ArrowDown")
    browser.wait(f"{chart}.view.view.signal('action_unit') === 'AU25'")


def test_a_part_of_a_video_is_chosen_with_keys(browser, page):
    browser.show(page, 1200, 900)
    chart = "[...document.querySelectorAll('figure.chart.wide')].find(each => each.querySelector('form'))"
    shown = f"{chart}.view.view.scale('concat_1_x').domain()"
    before = browser.value(shown)
    start, end = (f"{chart}.querySelector('input[name={name}]')" for name in ("from", "to"))
    browser.value(f"{start}.focus()")
    for _ in range(40):
        browser.press("ArrowUp")
    browser.value(f"{end}.focus()")
    for _ in range(60):
        browser.press("ArrowDown")
    step_s = browser.value(f"+{start}.step")
    assert 0 <= 200 * step_s - before[1] < 0.03
    browser.wait(f"{shown}.every((each, at) => Math.abs(each - {step_s} * [40, 140][at]) < 1e-6)")


def test_without_thumbnails_no_picture_is_in_it(logs, tmp_path):
    assert main([str(logs), "--thumbnails", "off", "--out", str(tmp_path / "page.html")]) == 0
    content = (tmp_path / "page.html").read_text("utf-8")
    assert "data:image/jpeg" not in content
    assert "--thumbnails off" in content


def test_logs_of_a_real_run_of_pictures(run, out):
    assert run("--no_calib", "on", "--landmarks", "on", "--extra_csv", "on") == 0
    assert main([str(out.parent)]) == 0
    text = " ".join(text_of(out / "report.html").split())
    assert "pictures 6 with the face that was asked for 5 (83.3%)" in text
    assert "read 1 (16.7%)" in text
    assert "landmarks onnxruntime" in text and "STAND-IN WEIGHTS" in text


def test_pictures_that_all_failed_make_a_page(run, out, aligned):
    for path in aligned.rglob("*.png"):
        path.write_bytes(b"none")
    run("--no_calib", "on")
    assert main([str(out)]) == 0
    assert "No face." in text_of(out / "report.html")


@pytest.fixture
def few(tmp_path):
    write_pictures(tmp_path / "few", [f"in/{number}.jpg" for number in range(3)])
    write_video(tmp_path / "few", "v.mp4", "v", 45)
    return tmp_path / "few"


def test_a_page_that_is_there_is_replaced_whole(few):
    page = few / "openface3" / "report.html"
    page.write_text("old")
    assert main([str(few)]) == 0
    assert page.read_text("utf-8").endswith("</html>")
    assert [path.name for path in page.parent.glob(".*")] == []


@pytest.mark.parametrize("content", [b"<html><title>of3</title>", b"\0\xff" * 100_000])
def test_what_is_not_a_report_is_left_and_a_report_is_replaced(few, tmp_path, content, caplog):
    place = tmp_path / "notes.html"
    place.write_bytes(content)
    assert main([str(few), "--out", str(place)]) == 2
    assert "notes.html: is there and not of3's: move it away, or pass another --out" in caplog.text
    assert place.read_bytes() == content
    place.write_bytes(b"")
    for _ in range(2):
        assert main([str(few), "--out", str(place)]) == 0
    assert place.read_text("utf-8").endswith("</html>")


def test_a_frame_is_told_by_its_time_and_of_several_videos_by_its_name_too(few):
    called = []
    for _ in range(2):
        assert main([str(few)]) == 0
        content = (few / "openface3" / "report.html").read_text("utf-8")
        names = re.findall(r'class="name"[^>]*>([^<]*)<', content)
        called.append({re.sub(r"\d+\.\d\d", "T", name) for name in names if name.endswith(" s")})
        write_video(few, "in/second.mp4", "second", 45)
    assert called == [{"T s"}, {"v.mp4, T s", "second.mp4, T s"}]


def test_of_many_videos_some_have_lines_and_the_others_are_counted(tmp_path):
    for number in range(17):
        write_video(tmp_path, f"{number}.mp4", f"{number:02d}", 3, 1)
    assert main([str(tmp_path)]) == 0
    text = " ".join(text_of(tmp_path / "openface3" / "report.html").split())
    assert "2 of 17 videos have no time lines here" in text
    assert "frames 51 with" in text


def noted(logs, change):
    """What the first session of the pictures' records did, otherwise."""
    with open_store(logs / "openface3" / "records.sqlite") as store, store.transaction():
        session = store.sessions()[0]
        store.put_session(1, replace(session, made=change(session.made)), 1)


@pytest.mark.parametrize(
    ("measured", "is_told"), [(["pitch", "yaw"], True), (["yaw", "pitch"], False), ([], False)]
)
def test_gaze_that_is_named_otherwise_than_it_was_measured_is_told(few, measured, is_told):
    noted(few, lambda made: {**made, "bundle": {**made["bundle"], "gaze_measured": measured}})
    assert main([str(few)]) == 0
    text = text_of(few / "openface3" / "report.html")
    assert ("what this page calls gaze yaw is pitch" in text) is is_told


def test_a_run_that_was_ended_early_is_told_above_all_else(few):
    (few / "openface3" / "run.json").write_text('{"finished": false, "counts": {"images": 1500}}')
    with open_store(few / "openface3" / "video" / "v.sqlite") as store, store.transaction():
        store.put_session(1, replace(store.sessions()[0], made={}), 1)
    assert main([str(few)]) == 0
    text = " ".join(text_of(few / "openface3" / "report.html").split())
    said = text.index("3 pictures, of 1,500 that the run was given; 45 frames of v.mp4")
    assert text.index("Not finished") < said < text.rindex("Pictures: what ran")


def test_a_run_that_came_to_its_end_says_nothing_of_it(few):
    (few / "openface3" / "run.json").write_text('{"finished": true, "counts": {"images": 3}}')
    assert main([str(few)]) == 0
    assert "Not finished" not in text_of(few / "openface3" / "report.html")


def test_from_another_folder_it_says_that_the_pictures_are_not_there(
    run, out, aligned, tmp_path, monkeypatch, caplog
):
    monkeypatch.chdir(aligned.parent)
    assert run("--aligned", "aligned", "--no_calib", "on") == 0
    (tmp_path / "elsewhere").mkdir()
    shown = {}
    for folder in (aligned.parent, tmp_path / "elsewhere"):
        caplog.clear()
        monkeypatch.chdir(folder)
        assert main([str(out)]) == 0
        content = (out / "report.html").read_text("utf-8")
        shown[folder] = "data:image/jpeg" in content, "pictures are not: there was none" in content
        is_said = f"6 not there, seen from {folder}" in caplog.text
        assert is_said is (folder != aligned.parent)
    assert [*shown.values()] == [(True, False), (False, True)]


def test_facts_that_others_wrote_do_no_harm(few):
    for path in (few / "openface3" / "video").rglob("*.json"):
        path.write_text('{"notes": 3, "cuts_s": "x", "faces": [], "duration_s": {}, "flags": 7}')
    (few / "openface3" / "errors.tsv").write_bytes(
        b"path\tstage\treason\nx.mp4\tread\tno \xff\nx\n" + b"y" * 10**6
    )
    (few / "openface3" / "run.json").write_text("[" * 100_000)
    assert main([str(few)]) == 0
    assert "x.mp4 read no \\xff" in " ".join(text_of(few / "openface3" / "report.html").split())


def test_what_cannot_be_reported_on_is_said(tmp_path, few, caplog):
    assert main([str(tmp_path / "none")]) == 2
    (tmp_path / "openface3").mkdir()
    assert main([str(tmp_path)]) == 2
    assert "has no records" in caplog.text
    with locked(few / "openface3"):
        assert main([str(few)]) == 2
    assert main([str(few), "--out", str(tmp_path / "no" / "where.html")]) == 2
    (tmp_path / "link.html").symlink_to(tmp_path / "target")
    assert main([str(few), "--out", str(tmp_path / "link.html")]) == 2
    assert not os.path.lexists(tmp_path / "target")
