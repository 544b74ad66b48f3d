"""Something else where a log folder's files are; every kind at every name: `python -m tools.fuzz`."""

import os
import subprocess

import pytest

from of3.runtime.commands.cli import main

WITHIN_S = 120  # a pipe that is opened is waited for until somebody opens its other end: for ever
FILES = (
    "openface3.csv",
    "errors.tsv",
    "openface3_full.csv",
    "au_info.json",
    "run.json",
    "records.sqlite",
    "records.sqlite-journal",
    "run.lock",
    "run.owner",
    "openface3.txt",
    ".au_info.json.tmp",
    ".openface3.csv.new",
    "per_image/.writing.tmp",
)


@pytest.fixture
def outside(tmp_path):
    """A folder that nothing may be written to."""
    folder = tmp_path / "outside"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", FILES)
def test_a_pipe_in_a_files_place_is_named_and_not_waited_for(
    aligned, standin_root, tmp_path, command, out, name
):
    (out / name).parent.mkdir(parents=True)
    os.mkfifo(out / name)
    words = command(aligned, standin_root, tmp_path / "logs")
    done = subprocess.run(words, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.returncode == 2
    assert f"{out / name}: is a named pipe, want a regular file: move it away" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_table_of_two_names_is_not_written_into(run, out, tmp_path, caplog):
    assert run() == 0
    os.link(out / "openface3.csv", tmp_path / "copy.csv")
    before = (tmp_path / "copy.csv").read_bytes()
    assert run("--resume", "on") == 2
    assert "openface3.csv: has other names (hard links)" in caplog.text
    assert (tmp_path / "copy.csv").read_bytes() == before


@pytest.mark.parametrize(
    "words", [("merge", "--logs"), ("render",), ("manifest", "--aligned", "aligned", "--logs")]
)
def test_no_command_follows_a_linked_log_folder(aligned, tmp_path, outside, monkeypatch, caplog, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "openface3").symlink_to(outside)
    assert main([*words, "logs"]) == 2
    assert "openface3: is a symbolic link, want a folder: move it away" in caplog.text


def test_not_even_the_help_text_is_written_through_a_linked_log_folder(run, tmp_path, outside, caplog):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "openface3").symlink_to(outside)
    assert run() == 2
    assert "openface3: is a symbolic link, want a folder: move it away" in caplog.text


@pytest.mark.parametrize("name", ["openface3.csv", "errors.tsv"])
def test_the_next_version_of_a_table_is_written_through_no_link(run, out, outside, caplog, name):
    assert run() == 0
    (out / f".{name}.new").symlink_to(outside / "none")
    assert run("--override") == 2
    assert f".{name}.new: is a symbolic link, want a regular file: move it away" in caplog.text


@pytest.mark.parametrize("name", ["plan", "plan/parts", "plan/parts/000", "plan/writing", "plan/run"])
def test_a_share_follows_no_link_below_its_plan(run, out, outside, caplog, tmp_path, aligned, name):
    assert main(["manifest", "--aligned", str(aligned), "--logs", str(out.parent)]) == 0
    place = out / name
    place.parent.mkdir(exist_ok=True)
    if place.is_dir():
        place.rename(tmp_path / "moved")
    place.symlink_to(outside)
    assert run("--shard", "0/1") == 2
    assert f"{place}: is a symbolic link, want a folder: move it away" in caplog.text


@pytest.mark.parametrize("name", ["plan.writing", "plan.old"])
def test_no_plan_is_made_through_a_link(out, outside, caplog, aligned, name):
    out.mkdir(parents=True)
    (out / name).symlink_to(outside)
    assert main(["manifest", "--aligned", str(aligned), "--logs", str(out.parent)]) == 2
    assert f"{out / name}: is a symbolic link, want a folder: move it away" in caplog.text
