"""Rows and their journal, cut anywhere."""

import os

import pytest

from of3.runtime.logs import journal, tables
from of3.runtime.logs.journal import Entry, Header, Stamp
from of3.runtime.logs.tables import Appender, Chunk, Found, Layout, Tables, joined
from of3.runtime.types import RunError

LAYOUTS = [Layout("rows.csv", ("path", "n"), ","), Layout("errors.tsv", ("path", "why"), "\t")]
FILES = ("rows.csv", "errors.tsv", journal.FILE)
NEW = Found(Header({"flag": 1}, (0, 0, 0)), (0, 0, 0), 0)
NAMES = ["a", 'quo"te', "new\nline", "back\\slash\\n", "tab\t", "car\rriage", "\udcff", "=1", "z,z"]


def chunk(name, number=0):
    rows = [[[name, "1"]], [[name, "no"]] * (number % 2)]
    contents = tuple(layout.text(*each) for layout, each in zip(LAYOUTS, rows, strict=True))
    ends = (*(len(content) for content in contents), 0)
    return Chunk((Entry(name, Stamp(number, number), bool(number % 2), 0, ends),), contents)


def fill(folder, names=NAMES, found=NEW):
    made = Tables(folder, LAYOUTS, found)
    for number, name in enumerate(names):
        made.commit(chunk(name, number))
    made.close()


def recovered(folder):
    """What is whole there, and its pictures."""
    entries: list[Entry] = []
    header = journal.read_header(folder / journal.FILE)
    found = tables.recover(folder, LAYOUTS, header, entries.append)
    return found, entries


def contents(folder):
    return [(folder / name).read_bytes() for name in FILES]


def test_every_name_comes_back_from_the_journal(tmp_path):
    fill(tmp_path)
    found, entries = recovered(tmp_path)
    assert [entry.path for entry in entries] == NAMES
    assert found.ends[:2] == tuple((tmp_path / name).stat().st_size for name in FILES[:2])
    assert found.header.identity == {"flag": 1}


def test_cut_anywhere_it_goes_on_to_the_same_files(tmp_path):
    """A killed run leaves each file as long as it happened to be; the journal is written last."""
    fill(tmp_path)
    whole = contents(tmp_path)
    first = journal.header_bytes(tmp_path / journal.FILE)
    for cut in range(first, len(whole[2])):
        (tmp_path / journal.FILE).write_bytes(whole[2][:cut])
        found, done = recovered(tmp_path)
        made = Tables(tmp_path, LAYOUTS, found)
        for number, name in list(enumerate(NAMES))[len(done) :]:
            made.commit(chunk(name, number))
        made.close()
        assert contents(tmp_path) == whole


@pytest.mark.parametrize("file", [0, 1])
def test_rows_that_never_reached_the_disk_are_done_again(tmp_path, file):
    """After a power cut the journal may be ahead of a table."""
    fill(tmp_path)
    whole = contents(tmp_path)
    base = recovered(tmp_path)[0].header.base[file]
    for size in range(base, len(whole[file])):
        (tmp_path / FILES[file]).write_bytes(whole[file][:size])
        found = recovered(tmp_path)[0]
        assert found.ends[file] <= size
        for name, end in zip(FILES[:2], found.ends, strict=False):
            assert (tmp_path / name).read_bytes()[:end].endswith(b"\n")


def test_a_table_shorter_than_it_was_before_is_no_table_of_this_journal(tmp_path):
    fill(tmp_path)
    os.truncate(tmp_path / "rows.csv", 2)
    with pytest.raises(RunError, match="shorter than their journal says: pass --override"):
        recovered(tmp_path)[0]


def test_a_failed_write_leaves_no_half_row(tmp_path):
    with (tmp_path / "full").open("wb") as file:
        file.truncate(0)
    appender = Appender(tmp_path / "full", 0)
    appender.append(b"whole\n")
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            appender.append(b"more than fits\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "full").read_bytes() == b"whole\n"
    appender.append(b"again\n")
    appender.close()
    assert (tmp_path / "full").read_bytes() == b"whole\nagain\n"


def test_a_table_that_is_a_link_is_not_opened(tmp_path):
    (tmp_path / "victim").write_text("mine\n")
    (tmp_path / "rows.csv").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic"):
        Tables(tmp_path, LAYOUTS, NEW)
    assert (tmp_path / "victim").read_text() == "mine\n"


def test_a_table_that_is_taken_away_is_noticed(tmp_path):
    made = Tables(tmp_path, LAYOUTS, NEW)
    os.rename(tmp_path / "rows.csv", tmp_path / "moved.csv")
    with pytest.raises(FileNotFoundError):
        made.commit(chunk("a"))
    (tmp_path / "rows.csv").touch()
    with pytest.raises(FileNotFoundError, match="was replaced"):
        made.commit(chunk("a"))
    made.close()
    assert (tmp_path / "moved.csv").read_text() == "path,n\n"


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        (b"", 0),
        (b"path,n", 0),
        (b"path,n\na,1\n", 11),
        (b"path,n\na,1\nb", 11),
        (b'path,n\n"a\nb",1\n"a\nc', 15),
        (b'path,n\n"a""\nb",1\n"x', 17),
    ],
)
def test_a_torn_last_row_is_told_from_a_newline_in_a_name(tmp_path, content, whole):
    (tmp_path / "rows.csv").write_bytes(content)
    assert tables.whole_rows(tmp_path / "rows.csv") == whole


def test_many_pictures_at_once_are_the_same_files_as_one_by_one(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "all").mkdir()
    fill(tmp_path / "one")
    made = Tables(tmp_path / "all", LAYOUTS, NEW)
    chunks = [chunk(name, number) for number, name in enumerate(NAMES)]
    made.commit(joined(chunks[:2]))
    made.commit(joined(chunks[1:6]).after(1))  # as where a killed merge had written the first of them
    made.commit(joined([joined(chunks[6:8]), *chunks[8:]]))
    made.close()
    assert contents(tmp_path / "all") == contents(tmp_path / "one")


def test_sorting_keeps_the_last_row_of_each_and_what_stood_before(tmp_path):
    (tmp_path / "rows.csv").write_text("path,n\nold,0\n")
    (tmp_path / "errors.tsv").write_text("path\twhy\n")
    ends = tables.whole(tmp_path, LAYOUTS, is_resumed=False)
    fill(tmp_path, ["c", "a", "b", "c"], Found(NEW.header, ends, 0))
    tables.sort_rows(tmp_path, LAYOUTS, str)
    assert (tmp_path / "rows.csv").read_text() == "path,n\nold,0\na,1\nb,1\nc,1\n"
    assert (tmp_path / "errors.tsv").read_text() == "path\twhy\na\tno\nc\tno\n"
    assert [(entry.path, entry.stamp.size) for entry in recovered(tmp_path)[1]] == [
        ("a", 1),
        ("b", 2),
        ("c", 3),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("done", range(4))
def test_a_replacement_that_was_killed_is_ended_or_undone(tmp_path, done):
    fill(tmp_path, ["b", "a"])
    before = contents(tmp_path)
    for name in FILES:
        (tmp_path / (name + tables.NEXT)).write_text("new")
    tables.finish_replacing(tmp_path, LAYOUTS)  # not whole: nothing happened
    assert contents(tmp_path) == before
    for name in FILES:
        (tmp_path / (name + tables.NEXT)).write_text("new")
    (tmp_path / tables.COMMIT).touch()
    for name in FILES[:done]:
        os.replace(tmp_path / (name + tables.NEXT), tmp_path / name)
    tables.finish_replacing(tmp_path, LAYOUTS)
    assert contents(tmp_path) == [b"new"] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_a_journal_of_another_kind_is_refused(tmp_path):
    for content in (b"", b"nonsense\n", b'{"format": "of3-journal", "revision": 1}\n', b"[]\n"):
        (tmp_path / journal.FILE).write_bytes(content)
        with pytest.raises(RunError, match="not a journal of this version: pass --override"):
            journal.read_header(tmp_path / journal.FILE)


def test_an_entry_is_one_line():
    for name in NAMES:
        assert Entry(name, Stamp(1, 2), True, 0, (3, 4, 5)).line().count(b"\n") == 1
