"""Folders that killed exports leave, and those of exports that live."""

import os
import signal
import subprocess
import sys

import pytest

from of3.export.workplace import write_folder

START = """
import sys, time
from pathlib import Path
from of3.export.workplace import workplace
with workplace(Path(sys.argv[1])) as made:
    (made / "half").write_text("half")
    print(made.name, flush=True)
    time.sleep(60)
"""


def fill(folder):
    (folder / "bundle.json").write_text("new")


@pytest.fixture
def exporting(tmp_path):
    """A process that is at work on a bundle at tmp_path/b."""
    with subprocess.Popen(
        [sys.executable, "-c", START, str(tmp_path / "b")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(".b.")
        yield process
        process.kill()


def test_what_a_killed_export_left_goes_with_the_next(exporting, tmp_path):
    exporting.send_signal(signal.SIGKILL)
    exporting.wait()
    assert len(os.listdir(tmp_path)) == 1
    write_folder(tmp_path / "b", fill)
    assert os.listdir(tmp_path) == ["b"]


def test_the_folder_of_an_export_that_lives_stays(exporting, tmp_path):
    write_folder(tmp_path / "b", fill)
    (theirs,) = (name for name in os.listdir(tmp_path) if name != "b")
    assert (tmp_path / theirs / "half").read_text() == "half"


@pytest.mark.parametrize(
    "name",
    [".b.abcdefgh.tmp.txt", ".b.abc.tmp", "b.abcdefgh.tmp", ".c.abcdefgh.tmp", ".b.abcdefgh.bak"],
)
def test_a_folder_of_another_name_stays(tmp_path, name):
    (tmp_path / name).mkdir()
    write_folder(tmp_path / "b", fill)
    assert sorted(os.listdir(tmp_path)) == sorted([name, "b"])


def test_files_and_links_of_such_a_name_stay(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    (tmp_path / ".b.abcdefgh.tmp").symlink_to(tmp_path / "mine")
    (tmp_path / ".b.bcdefghi.tmp").touch()
    write_folder(tmp_path / "b", fill)
    assert len(os.listdir(tmp_path)) == 4
    assert os.listdir(tmp_path / "mine") == ["thesis.tex"]


def test_a_replaced_bundle_goes_only_when_another_stands(tmp_path):
    """Killed between its two renames, an export leaves the old bundle under a name of its own."""
    (tmp_path / ".b.abcdefgh.old").mkdir()
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "b", interrupt)
    assert os.listdir(tmp_path) == [".b.abcdefgh.old"]
    write_folder(tmp_path / "b", fill)
    write_folder(tmp_path / "b", fill)
    assert os.listdir(tmp_path) == ["b"]


def interrupt(_):
    raise KeyboardInterrupt
