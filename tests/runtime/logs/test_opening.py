"""Only regular files are opened, and nobody waits for another."""

import os
import socket
from pathlib import Path

import pytest

from of3.runtime.logs.opening import (
    is_folder,
    is_there,
    make_folder,
    new_file,
    open_file,
    read_text,
    refuse_shared,
    remove,
    size_of,
)
from of3.runtime.types import RunError

PLANTED = {
    "a named pipe": os.mkfifo,
    "a folder": os.mkdir,
    "a symbolic link": lambda path: os.symlink(path.parent / "victim", path),
}


@pytest.fixture(params=PLANTED)
def planted(request, tmp_path):
    """Something else in a file's place, and what it is called."""
    (tmp_path / "victim").write_text("theirs")
    PLANTED[request.param](tmp_path / "x")
    return tmp_path / "x", request.param


def test_whatever_is_done_with_a_file_says_what_stands_in_its_place(planted):
    path, kind = planted
    for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_TRUNC):
        with pytest.raises(RunError, match=f"x: is {kind}, want a regular file: move it away"):
            open_file(path, flags)
    for step in (read_text, new_file, remove, is_there, size_of, refuse_shared):
        with pytest.raises(RunError, match=f"x: is {kind}, want a regular file: move it away"):
            step(path)
    assert (path.parent / "victim").read_text() == "theirs"
    assert os.path.lexists(path)


def test_a_socket_is_named(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "x"))
        with pytest.raises(RunError, match="x: is a socket, want a regular file"):
            open_file(tmp_path / "x")


def test_a_device_is_named():
    with pytest.raises(RunError, match="/dev/null: is a device, want a regular file"):
        read_text(Path(os.devnull))


def test_a_file_and_a_link_in_a_folders_place_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path)
    for step in (is_folder, make_folder):
        with pytest.raises(RunError, match="file: is a file, want a folder: move it away"):
            step(tmp_path / "file")
        with pytest.raises(RunError, match="link: is a symbolic link, want a folder: move it away"):
            step(tmp_path / "link")
    make_folder(tmp_path / "new")
    make_folder(tmp_path / "new")
    assert is_folder(tmp_path / "new") and not is_folder(tmp_path / "none")


def test_what_a_killed_process_left_gives_way_to_a_new_file(tmp_path):
    (tmp_path / "x").write_text("half")
    os.close(new_file(tmp_path / "x"))
    assert (tmp_path / "x").read_bytes() == b""


def test_a_file_of_two_names_is_not_written_into(tmp_path):
    (tmp_path / "x").write_text("mine")
    refuse_shared(tmp_path / "x")
    refuse_shared(tmp_path / "none")
    os.link(tmp_path / "x", tmp_path / "y")
    with pytest.raises(RunError, match=r"x: has other names \(hard links\).*put a copy in its place"):
        refuse_shared(tmp_path / "x")


def test_a_file_of_more_than_memory_is_not_read(tmp_path):
    with (tmp_path / "x").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(RunError, match="x: got 1099511627776 bytes, want at most 16777216: move it away"):
        read_text(tmp_path / "x")
