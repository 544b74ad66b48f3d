"""What others do to the files of a log folder while a run writes to them."""

import os
import shutil

import pytest

from of3.runtime.logs.folder import Mode, RunLogs
from of3.runtime.logs.known import known
from of3.runtime.logs.store import FILE

TABLES = ("openface3.csv", "errors.tsv", "openface3_full.csv")


@pytest.mark.parametrize("name", [*TABLES, FILE])
def test_a_file_that_is_taken_away_ends_the_run(tmp_path, as_made, result, name):
    with RunLogs(tmp_path, as_made, Mode()) as logs:
        logs.add(logs.entries([result("a")[::-1]]))
        logs.commit()
        (tmp_path / name).rename(tmp_path / "moved")
        logs.add(logs.entries([result("b")[::-1]]))
        with pytest.raises(FileNotFoundError):
            logs.commit()


@pytest.mark.parametrize("name", [*TABLES, FILE, f"{FILE}-journal", "run.lock"])
@pytest.mark.parametrize("when", ["commit", "finish"])
def test_a_file_that_another_takes_the_place_of_ends_the_run(tmp_path, as_made, result, name, when):
    """Also the lock, by whose absence another run came in."""
    (tmp_path / "run.lock").touch()
    with RunLogs(tmp_path, as_made, Mode(), known(tmp_path / "run.lock")) as logs:
        logs.add(logs.entries([result("a")[::-1]]))
        logs.commit()
        shutil.copy(tmp_path / name, tmp_path / "copy")
        os.replace(tmp_path / "copy", tmp_path / name)
        if when == "commit":
            logs.add(logs.entries([result("b")[::-1]]))
        with pytest.raises(FileNotFoundError, match=f"{name} was replaced while this run wrote to it"):
            getattr(logs, when)()


@pytest.mark.parametrize("name", [*TABLES, FILE])
@pytest.mark.parametrize("by", [-1, 1, None])
def test_a_file_whose_length_another_changes_ends_the_run(tmp_path, as_made, result, name, by):
    with RunLogs(tmp_path, as_made, Mode()) as logs:
        logs.add(logs.entries([result("a")[::-1]]))
        logs.commit()
        size = (tmp_path / name).stat().st_size
        os.truncate(tmp_path / name, 0 if by is None else size + by)
        with pytest.raises(OSError, match=f"{name} was changed while this run wrote to it: got .* want {size}"):
            logs.finish()
