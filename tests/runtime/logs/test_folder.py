"""Records first, text second: whatever becomes of the text, and what others write into it."""

import csv
import os
from dataclasses import replace

import numpy as np
import pytest

from of3.runtime.logs import folder as folders
from of3.runtime.logs.folder import Mode, RunLogs
from of3.runtime.logs.items import path_of
from of3.runtime.logs.rows import ROWS
from of3.runtime.logs.store import FILE, open_store
from of3.runtime.remarks import TILTED
from of3.runtime.types import RunError

RESUME, OVERRIDE = Mode(resume=True), Mode(override=True)
TABLES = ("openface3.csv", "errors.tsv", "openface3_full.csv")
HEADER = ",".join(ROWS.columns) + "\n"
MINE = '"mine, too",x,1,2,,,,,,,,,,,,1\n'


def rows(folder, name="openface3.csv"):
    with (folder / name).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if name.endswith("tsv") else ","))


def paths(folder):
    return [row["path"] for row in rows(folder)]


@pytest.fixture
def go_on(fill, as_made, names):
    """Let a run be resumed: those that are not done, in order."""

    def go_on(folder, **more):
        with RunLogs(folder, as_made, RESUME) as logs:
            done = {path_of(each.key) for each in logs.done()}
        fill(folder, [name for name in sorted(names) if f"in/{name}" not in done], RESUME, **more)
        return done

    return go_on


@pytest.fixture
def want(tmp_path, fill, names, tables):
    """What a run that nothing disturbs writes."""
    fill(tmp_path / "undisturbed", sorted(names))
    return tables(tmp_path / "undisturbed")


def test_every_picture_is_a_row_of_each_table_it_belongs_to(tmp_path, fill, names, result, want):
    results = [result(name)[0] for name in sorted(names)]
    failed = [each.source for each in results if type(each).__name__ == "Failure"]
    damaged = [each.source for each in results if getattr(each, "damage", "")]
    tilted = [each.source for each in results if TILTED in getattr(each, "remarks", ())]
    boxed = [each.source for each in results if getattr(each, "box", None)]
    out = tmp_path / "undisturbed"
    assert paths(out) == [f"in/{name}" for name in sorted(names)]
    assert [row["path"] for row in rows(out, "errors.tsv")] == sorted(failed + damaged + tilted)
    assert [row["path"] for row in rows(out, "openface3_full.csv")] == [
        path for path in paths(out) if path not in failed
    ]
    assert [row["path"] for row in rows(out, "openface3_boxes.csv")] == boxed
    assert failed and damaged and tilted and 0 < len(boxed) < len(results) - len(failed)


def test_transactions_of_any_size_write_the_same_files(tmp_path, fill, names, tables, want):
    for every in (1, 2, 3):
        fill(tmp_path / str(every), sorted(names), every=every)
        assert tables(tmp_path / str(every)) == want


@pytest.mark.parametrize("name", TABLES)
def test_a_table_cut_anywhere_is_completed(tmp_path, fill, names, tables, want, go_on, name):
    """As a kill leaves it, or a power cut: what is missing is rendered again."""
    fill(tmp_path / "a", sorted(names)[:7], every=3, finish=False)
    whole = tables(tmp_path / "a")[name]
    for size in [None, *range(0, len(whole), 7)]:
        out = tmp_path / f"cut_{size}"
        fill(out, sorted(names)[:7], every=3, finish=False)
        (out / name).unlink() if size is None else os.truncate(out / name, size)
        assert len(go_on(out)) == 7
        assert tables(out) == want


@pytest.mark.parametrize("name", TABLES[:2])
def test_holes_that_a_power_cut_leaves_are_filled(tmp_path, fill, names, tables, want, go_on, name):
    """The length of a file has reached the disk, its last rows have not."""
    fill(tmp_path / "a", sorted(names), every=4, finish=False)
    with open_store(tmp_path / "a" / FILE) as store:
        last = store.regions(name)[-1]
    content = bytearray((tmp_path / "a" / name).read_bytes())
    content[last.start + 5 : last.end] = bytes(last.end - last.start - 5)
    (tmp_path / "a" / name).write_bytes(content)
    go_on(tmp_path / "a")
    assert tables(tmp_path / "a") == want


def test_pictures_out_of_order_are_put_in_their_place_the_last_row_of_each(tmp_path, fill, names, tables, want):
    fill(tmp_path / "a", sorted(names)[::2], every=2)
    fill(tmp_path / "a", sorted(names)[1::2], RESUME)
    assert tables(tmp_path / "a") == want
    fill(tmp_path / "a", sorted(names)[:3], RESUME, seed=5)
    fill(tmp_path / "a", sorted(names)[:3][::-1], RESUME)
    assert tables(tmp_path / "a") == want


def test_order_comes_back_after_a_run_that_never_finished(tmp_path, fill, names, tables, want, go_on):
    fill(tmp_path / "a", sorted(names)[::-1], every=3, finish=False)
    assert tables(tmp_path / "a") != want
    assert len(go_on(tmp_path / "a")) == len(names)
    assert tables(tmp_path / "a") == want


def test_runs_come_after_each_other_and_each_is_sorted_by_itself(tmp_path, fill, names):
    fill(tmp_path, sorted(names)[:4])
    fill(tmp_path, sorted(names)[::-1], seed=1)
    fill(tmp_path, sorted(names)[:2], RESUME, seed=2)
    assert paths(tmp_path) == [f"in/{name}" for name in (*sorted(names)[:4], *sorted(names))]


def test_rows_of_another_program_stay_where_they_are(tmp_path, fill, names, want):
    """Before the first run, between two, and after the last."""
    own = want["openface3.csv"].removeprefix(HEADER.encode())
    table = tmp_path / "openface3.csv"
    table.write_text(HEADER + MINE)
    fill(tmp_path, sorted(names)[::-1], every=3)
    table.write_bytes(table.read_bytes() + MINE.encode())
    fill(tmp_path, sorted(names)[::-1])
    table.write_bytes(table.read_bytes() + MINE.encode() * 2)
    fill(tmp_path, [], RESUME)
    assert table.read_bytes() == HEADER.encode() + (MINE.encode() + own) * 2 + MINE.encode() * 2


def test_rows_added_by_others_while_a_run_waits_to_go_on_are_kept(tmp_path, fill, names, want, go_on):
    own = want["openface3.csv"].removeprefix(HEADER.encode())
    fill(tmp_path / "a", sorted(names)[5:], finish=False)
    with (tmp_path / "a" / "openface3.csv").open("a") as file:
        file.write(MINE)
    go_on(tmp_path / "a")
    assert (tmp_path / "a" / "openface3.csv").read_bytes() == HEADER.encode() + MINE.encode() + own


def drop_a_row(folder):
    """As somebody does who cleans a table with pandas."""
    table = folder / "openface3.csv"
    lines = table.read_bytes().splitlines(keepends=True)
    table.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    return table.read_bytes()


def test_a_table_that_somebody_changed_is_not_gone_on_with(tmp_path, fill, names, tables):
    fill(tmp_path, sorted(names))
    drop_a_row(tmp_path)
    before = tables(tmp_path)
    with pytest.raises(RunError, match=r"openface3\.csv: .* not those that were written: pass --resume off"):
        fill(tmp_path, [], RESUME)
    assert tables(tmp_path) == before


def test_a_table_that_somebody_changed_is_appended_to(tmp_path, fill, names, want, caplog):
    own = want["openface3.csv"].removeprefix(HEADER.encode())
    fill(tmp_path, sorted(names))
    before = drop_a_row(tmp_path)
    fill(tmp_path, sorted(names)[::-1])
    assert (tmp_path / "openface3.csv").read_bytes() == before + own
    assert "left as it is, its rows leave the records" in caplog.text


@pytest.mark.parametrize("left", [None, "", HEADER])
def test_a_table_that_somebody_emptied_stays_so_unless_its_run_goes_on(
    tmp_path, fill, names, tables, want, left
):
    for mode, expected in ((Mode(), HEADER.encode()), (RESUME, want["openface3.csv"])):
        out = tmp_path / str(mode.resume)
        fill(out, sorted(names))
        (out / "openface3.csv").unlink()
        if left is not None:
            (out / "openface3.csv").write_text(left)
        fill(out, [], mode)
        assert tables(out)["openface3.csv"] == expected


def test_override_starts_anew_whatever_was_there(tmp_path, fill, names, tables, want):
    for number, spoil in enumerate(
        (
            lambda out: fill(out, sorted(names)[:5], seed=3),
            lambda out: (out / "openface3.csv").write_text("other,columns\nx,y\n"),
            lambda out: (out / FILE).write_bytes(b"none" * 5000),
            lambda out: (out / f"{FILE}-journal").write_bytes(b"none" * 5000),
        )
    ):
        out = tmp_path / str(number)
        out.mkdir()
        spoil(out)
        fill(out, sorted(names), OVERRIDE)
        assert tables(out) == want


@pytest.mark.parametrize("mode", [RESUME, Mode()])
def test_a_flipped_bit_is_refused_or_the_tables_are_right(tmp_path, fill, names, tables, want, mode):
    """Wherever in the records it is, and whatever is done next."""
    chance, out = np.random.default_rng(0), tmp_path / "out"
    fill(out, sorted(names)[3:], finish=False)  # the rest comes before, so that all is rendered again
    kept = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    fill(out, sorted(names)[:3], mode)
    right, refused = tables(out), 0
    assert mode != RESUME or right == want
    for at in chance.integers(0, len(kept[FILE]), 200):
        for name, content in kept.items():
            (out / name).write_bytes(content)
        content = bytearray(kept[FILE])
        content[at] ^= 1 << int(chance.integers(8))
        (out / FILE).write_bytes(content)
        try:
            fill(out, sorted(names)[:3], mode)
        except (RunError, OSError):
            refused += 1
        else:
            assert tables(out) == right, at
    assert refused > 10


def test_rows_of_before_records_are_appended_to_and_not_gone_on_with(tmp_path, fill, names, want):
    """As of3 0.1 left them."""
    (tmp_path / "openface3.csv").write_text(HEADER + MINE)
    (tmp_path / "journal.tsv").write_text("{}\n")
    with pytest.raises(RunError, match=r"has rows but no records\.sqlite: pass --resume off to append"):
        fill(tmp_path, sorted(names), RESUME)
    fill(tmp_path, sorted(names))
    own = want["openface3.csv"].removeprefix(HEADER.encode())
    assert (tmp_path / "openface3.csv").read_bytes() == (HEADER + MINE).encode() + own
    assert not (tmp_path / "journal.tsv").exists()


def test_another_header_is_refused_and_nothing_is_written(tmp_path, fill, names):
    (tmp_path / "openface3.csv").write_text("path,file,old\nx,y,z\n")
    with pytest.raises(RunError, match=r"got columns path,file,old.*--override"):
        fill(tmp_path, names)
    assert os.listdir(tmp_path) == ["openface3.csv"]


@pytest.mark.parametrize("name", [*TABLES, FILE])
def test_a_link_is_refused(tmp_path, fill, names, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "victim").write_text(HEADER)
    (tmp_path / "out" / name).symlink_to(tmp_path / "victim")
    for mode in (Mode(), OVERRIDE, RESUME):
        with pytest.raises(RunError, match="is a symbolic link, want a regular file: move it away"):
            fill(tmp_path / "out", names, mode)
    assert (tmp_path / "victim").read_text() == HEADER


def test_the_first_rows_come_at_once_the_others_once_a_second(tmp_path, as_made, result, monkeypatch):
    with RunLogs(tmp_path, as_made, Mode()) as logs:
        logs.add(logs.entries([result("a")[::-1]]))
        assert paths(tmp_path) == ["in/a"]
        logs.add(logs.entries([result("b")[::-1]]))
        assert paths(tmp_path) == ["in/a"]
        monkeypatch.setattr(folders, "COMMIT_EVERY_S", 0.0)
        logs.add(logs.entries([result("c")[::-1]]))
        assert paths(tmp_path) == ["in/a", "in/b", "in/c"]


def test_what_is_known_when_a_run_breaks_is_kept(tmp_path, as_made, result):
    def broken():
        with RunLogs(tmp_path, as_made, Mode()) as logs:
            logs.add(logs.entries([result("a")[::-1]]))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert paths(tmp_path) == ["in/a"]


def test_a_reason_that_is_no_text_is_one_line(tmp_path, as_made, result):
    failure, item = next(
        each for each in map(result, map(str, range(99))) if type(each[0]).__name__ == "Failure"
    )
    with RunLogs(tmp_path, as_made, Mode()) as logs:
        logs.add(logs.entries([(item, replace(failure, reason="half \ud800 of a pair"))]))
        logs.finish()
    assert rows(tmp_path, "errors.tsv")[0]["reason"] == "half \\ud800 of a pair"
