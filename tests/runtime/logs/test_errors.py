"""errors.tsv, which several processes write to at a time."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from of3.runtime.logs.errors import Errors, told
from of3.runtime.types import Failure, RunError

HEADER = b"path\tstage\treason\n"


def failure(source, reason="empty file"):
    return Failure(source, "read", reason)


def test_what_is_told_anew_of_a_source_replaces_what_was(tmp_path):
    before = Errors(tmp_path)
    before.tell("a.mp4", [failure("a.mp4"), failure("a.mp4", "damaged")])
    before.tell("b.mp4", [failure("b.mp4")])
    again = Errors(tmp_path)
    again.tell("a.mp4")
    assert list(told(tmp_path)) == [failure("b.mp4")]
    again.tell("a.mp4", [failure("a.mp4", "short")])
    assert list(told(tmp_path)) == [failure("b.mp4"), failure("a.mp4", "short")]


def test_a_source_is_known_again_whichever_way_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Errors(tmp_path).tell("a.mp4", [failure("a.mp4")])
    Errors(tmp_path).tell(str(tmp_path / "a.mp4"))
    assert list(told(tmp_path)) == []


def test_the_lines_of_others_stay_byte_for_byte(tmp_path):
    others = b'"quoted.png"\tread\tby hand\n\xff.png\tread\t"two\nlines"\nshort\n\npath\tread\tx\r\n'
    (tmp_path / "errors.tsv").write_bytes(HEADER + b"a.mp4\tread\told\n" + others + b'"never closed\tread\tx')
    Errors(tmp_path).tell("a.mp4", [failure("a.mp4")])
    want = HEADER + others + b'"never closed\tread\tx\na.mp4\tread\tempty file\n'
    assert (tmp_path / "errors.tsv").read_bytes() == want


def test_what_csv_cannot_read_stays(tmp_path):
    unreadable = b"x" * (1 << 18) + b"\tread\tx\na.mp4\tread\tbehind it\n"
    (tmp_path / "errors.tsv").write_bytes(HEADER + b"a.mp4\tread\told\n" + unreadable)
    Errors(tmp_path).tell("a.mp4")
    assert (tmp_path / "errors.tsv").read_bytes() == HEADER + unreadable


def test_a_file_named_as_the_first_column_does_not_cost_the_header(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Errors(tmp_path).tell("path", [failure("path")])
    Errors(tmp_path).tell("path")
    assert (tmp_path / "errors.tsv").read_bytes() == HEADER


def test_the_same_lines_are_not_written_again(tmp_path):
    Errors(tmp_path).tell("a.mp4", [failure("a.mp4")])
    before = (tmp_path / "errors.tsv").stat()
    Errors(tmp_path).tell("a.mp4", [failure("a.mp4")])
    assert (tmp_path / "errors.tsv").stat() == before


def test_lines_are_added_to_those_of_a_source_once(tmp_path):
    errors = Errors(tmp_path)
    errors.add([failure("camera 0", "away")])
    errors.add([failure("camera 0", "away"), failure("camera 0", "away again")])
    assert list(told(tmp_path)) == [failure("camera 0", "away"), failure("camera 0", "away again")]


def told_by_one_of_several(folder, number):
    """Lines of its own come and go beside those of others."""
    errors = Errors(folder)
    for turn in range(20):
        errors.tell(f"{number}.mp4", [failure(f"{number}.mp4", str(turn))])
        errors.tell(f"{number}_{turn}.mp4", [failure(f"{number}_{turn}.mp4")])


def test_no_line_is_lost_where_several_processes_tell(tmp_path):
    with ProcessPoolExecutor(3, get_context("spawn")) as pool:
        list(pool.map(told_by_one_of_several, [tmp_path] * 3, range(3)))
    last = [failure(f"{number}.mp4", "19") for number in range(3)]
    others = [failure(f"{number}_{turn}.mp4") for number in range(3) for turn in range(20)]
    found = list(told(tmp_path))
    assert sorted(found, key=str) == sorted([*last, *others], key=str)


def test_a_lock_that_leads_elsewhere_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("mine")
    os.link(tmp_path / "victim", tmp_path / "errors.lock")
    with pytest.raises(RunError, match=r"errors\.lock: has other names"):
        Errors(tmp_path)
    assert (tmp_path / "victim").read_text() == "mine"
