import os

import pytest

from of3.runtime.logs.files import replace_text
from of3.runtime.types import RunError


def test_a_file_is_replaced_whole_and_leaves_no_temporary(tmp_path):
    replace_text(tmp_path / "x", "old")
    with pytest.raises(UnicodeEncodeError):
        replace_text(tmp_path / "x", "\ud800")
    replace_text(tmp_path / "y", "new")
    assert (tmp_path / "x").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["x", "y"]


def test_a_planted_temporary_link_is_not_followed(tmp_path):
    (tmp_path / ".x.tmp").symlink_to(tmp_path / "victim")
    with pytest.raises(RunError, match=r"\.x\.tmp: is a symbolic link, want a regular file: move it away"):
        replace_text(tmp_path / "x", "new")
    assert not (tmp_path / "victim").exists()


def test_a_temporary_name_of_another_file_costs_that_file_nothing(tmp_path):
    """A hard link, as `cp --link` makes them."""
    (tmp_path / "victim").write_text("old")
    os.link(tmp_path / "victim", tmp_path / ".x.tmp")
    replace_text(tmp_path / "x", "new")
    assert (tmp_path / "victim").read_text() == "old"
    assert (tmp_path / "x").read_text() == "new"
