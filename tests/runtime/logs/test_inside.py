"""What is written below a folder, by descriptors and, as on Windows, by paths."""

import os
import socket

import pytest

from of3.runtime.logs import inside as module
from of3.runtime.logs.inside import Inside
from of3.runtime.types import RunError


@pytest.fixture(params=["descriptors", "paths"], autouse=True)
def way(request, monkeypatch):
    if request.param == "paths":
        monkeypatch.setattr(module, "HAS_HANDLES", False)
    return request.param


def test_a_link_that_stands_there_is_replaced_not_followed(tmp_path):
    (tmp_path / "victim").write_text("old")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.tsv").symlink_to(tmp_path / "victim")
    Inside(tmp_path / "out").write("a.tsv", "new")
    assert (tmp_path / "victim").read_text() == "old"
    assert not (tmp_path / "out" / "a.tsv").is_symlink()


@pytest.mark.parametrize("link", ["out", "out/sub"])
def test_no_linked_folder_is_written_to(tmp_path, link):
    (tmp_path / "elsewhere").mkdir()
    inside = Inside(tmp_path / "out")
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(tmp_path / "elsewhere")
    for name in ("sub/a.tsv", "sub/deep/a.tsv"):
        with pytest.raises(RunError, match=f"{link}: is a symbolic link, want a folder: move it away"):
            inside.write(name, "text")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_folders_are_made_but_not_again_once_removed(tmp_path):
    inside = Inside(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    inside.write("sub/deep/a.tsv", "text")
    assert (tmp_path / "out/sub/deep/a.tsv").read_text() == "text"
    os.rename(tmp_path / "out", tmp_path / "moved")
    with pytest.raises(FileNotFoundError):
        inside.write("other/a.tsv", "text")
    with pytest.raises(FileNotFoundError):
        inside.write("sub/deep/b.tsv", "text")
    assert not (tmp_path / "out").exists()


def test_what_a_killed_run_left_is_taken_away(tmp_path):
    (tmp_path / ".writing.tmp").write_text("half")
    Inside(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.tsv", ".writing.tmp"])
def test_a_folder_in_a_files_place_is_named(tmp_path, name):
    with Inside(tmp_path / "out") as inside:
        inside.write("b.tsv", "text")
        (tmp_path / "out" / name).mkdir()
        with pytest.raises(RunError, match=f"{name}: is a folder, want a regular file: move it away"):
            inside.write("a.tsv", "text")


@pytest.mark.parametrize("kind", ["pipe", "socket", "link"])
def test_nothing_waits_for_what_is_planted_at_the_temporary_name(tmp_path, kind):
    with Inside(tmp_path / "out") as inside, socket.socket(socket.AF_UNIX) as listener:
        inside.write("b.tsv", "text")
        place = tmp_path / "out" / ".writing.tmp"
        {
            "pipe": lambda: os.mkfifo(place),
            "socket": lambda: listener.bind(str(place)),
            "link": lambda: place.symlink_to(tmp_path / "victim"),
        }[kind]()
        with pytest.raises(RunError, match=r"\.writing\.tmp: is a .*, want a regular file: move it away"):
            inside.write("a.tsv", "text")
    assert not (tmp_path / "victim").exists()


def test_a_link_that_takes_a_folders_place_in_mid_run_leads_nowhere(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    with Inside(tmp_path / "out") as inside:
        inside.write("sub/a.tsv", "text")
        os.rename(tmp_path / "out" / "sub", tmp_path / "moved")
        (tmp_path / "out" / "sub").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(FileNotFoundError, match="sub was replaced while this run wrote to it"):
            inside.write("sub/b.tsv", "text")
        inside.write("c.tsv", "text")
        with pytest.raises(RunError, match="sub: is a symbolic link, want a folder: move it away"):
            inside.write("sub/deep/d.tsv", "text")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_is_not_there_is_removed_without_a_folder_being_made(tmp_path):
    with Inside(tmp_path / "out") as inside:
        inside.remove("sub/a.tsv")
        assert not (tmp_path / "out").exists()
        inside.write("sub/a.tsv", "text")
        inside.remove("sub/b.tsv")
        inside.remove("sub/a.tsv")
    assert list((tmp_path / "out" / "sub").iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts descriptors as Linux lists them")
def test_few_descriptors_are_held_whatever_the_folders_and_none_afterwards(tmp_path):
    def held():
        return len(os.listdir("/proc/self/fd"))

    before = held()
    with Inside(tmp_path / "out") as inside:
        for number in range(100):
            inside.write(f"{number}/deep/{number}/a.tsv", "text")
        assert held() <= before + 3
        (tmp_path / "out" / "link").symlink_to(tmp_path)
        with pytest.raises(RunError):
            inside.write("link/b/a.tsv", "text")
        assert held() <= before + 3
    assert held() == before


def test_what_is_there_is_told_from_what_is_to_be_there(tmp_path):
    with Inside(tmp_path / "out") as inside:
        assert not inside.holds("a.tsv", "text")
        inside.write("a.tsv", "text")
        assert inside.holds("a.tsv", "text")
        assert not inside.holds("a.tsv", "test")
        os.mkfifo(tmp_path / "out" / "pipe.tsv")
        (tmp_path / "out" / "link.tsv").symlink_to(tmp_path / "out" / "a.tsv")
        assert not inside.holds("pipe.tsv", "")
        assert not inside.holds("link.tsv", "text")
        assert not inside.holds("sub/a.tsv", "text")


@pytest.mark.parametrize("name", ["../a.tsv", "sub/../../a.tsv", "../../elsewhere/a.tsv"])
def test_no_name_leads_out(tmp_path, name):
    with Inside(tmp_path / "out") as inside:
        inside.write("sub/a.tsv", "text")
        with pytest.raises(RunError, match="leads out of"):
            inside.write(name, "text")
    assert os.listdir(tmp_path) == ["out"]
