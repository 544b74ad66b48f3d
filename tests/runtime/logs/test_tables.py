"""Text files that only grow, and whose last line is whole."""

import csv
import os
import resource
import signal

import pytest

from of3.runtime.logs.rows import ROWS, Layout
from of3.runtime.logs.tables import Table, check_header, has_rows
from of3.runtime.types import RunError

LAYOUT = Layout("rows.csv", ("path", "n"), ",")


def test_a_failed_write_leaves_no_half_row(tmp_path):
    table = Table(tmp_path, LAYOUT)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (table.end + 4, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            table.append(b"more than fits\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "rows.csv").read_bytes() == b"path,n\n"
    table.append(b"again,1\n")
    table.close()
    assert (tmp_path / "rows.csv").read_bytes() == b"path,n\nagain,1\n"


def test_a_table_that_is_a_link_is_not_opened(tmp_path):
    (tmp_path / "victim").write_text("mine\n")
    (tmp_path / "rows.csv").symlink_to(tmp_path / "victim")
    with pytest.raises(RunError, match=r"rows\.csv: is a symbolic link, want a regular file: move it away"):
        Table(tmp_path, LAYOUT)
    assert (tmp_path / "victim").read_text() == "mine\n"


def test_a_table_that_is_taken_away_is_noticed(tmp_path):
    table = Table(tmp_path, LAYOUT)
    os.rename(tmp_path / "rows.csv", tmp_path / "moved.csv")
    with pytest.raises(FileNotFoundError):
        table.check_in_place()
    (tmp_path / "rows.csv").touch()
    with pytest.raises(FileNotFoundError, match="was replaced"):
        table.check_in_place()
    table.close()
    assert (tmp_path / "moved.csv").read_text() == "path,n\n"


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("last", ['a "quote,1', "b,2", '5" screen,3', '"new\nline",4', '"never closed,5'])
def test_what_stands_in_a_table_is_never_cut(tmp_path, caplog, last, end):
    """A last line without its end gets one, and that is told; quotes are its writer's business."""
    before = "path,n\n" + 'x "y,0\n' * 501 + last
    (tmp_path / "rows.csv").write_bytes((before + end).encode())
    Table(tmp_path, LAYOUT).close()
    assert (tmp_path / "rows.csv").read_bytes() == (before + "\n").encode()
    assert ("its last line had no end and got one" in caplog.text) == (not end)


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("line", ["path,n\n", "path,n", '"path","n"\r\n'])
def test_a_header_may_be_written_in_other_ways(tmp_path, start, line):
    (tmp_path / "rows.csv").write_bytes((start + line).encode())
    check_header(tmp_path / "rows.csv", LAYOUT)


def test_other_columns_are_refused(tmp_path):
    (tmp_path / "rows.csv").write_text("path,m\n")
    with pytest.raises(RunError, match="got columns path,m, want path,n: pass --override"):
        check_header(tmp_path / "rows.csv", LAYOUT)


def test_rows_are_told_from_a_header(tmp_path):
    path = tmp_path / "rows.csv"
    assert not has_rows(path)
    for content, want in ((b"", False), (b"path,n", False), (b"path,n\n", False), (b"path,n\na", True)):
        path.write_bytes(content)
        assert has_rows(path) == want


def test_many_rows_at_once_are_the_same_text_as_one_by_one(names):
    """Whatever is quoted in one is quoted for its own sake."""
    rows = [[f"in/{name}", name, *["0.1"] * 13, "1"] for name in names]
    text = ROWS.text(rows)
    assert text == b"".join(ROWS.text([row]) for row in rows)
    read = csv.reader(text.decode("utf-8", "surrogateescape").splitlines(keepends=True), strict=True)
    assert [row[1] for row in read] == names
