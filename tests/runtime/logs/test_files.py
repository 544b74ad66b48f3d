import os

import pytest

from of3.runtime.logs.files import Inside, replace_text


def test_a_file_is_replaced_whole_and_leaves_no_temporary(tmp_path):
    replace_text(tmp_path / "x", "old")
    with pytest.raises(UnicodeEncodeError):
        replace_text(tmp_path / "x", "\ud800")
    replace_text(tmp_path / "y", "new")
    assert (tmp_path / "x").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["x", "y"]


def test_a_planted_temporary_link_is_not_followed(tmp_path):
    (tmp_path / ".x.tmp").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic"):
        replace_text(tmp_path / "x", "new")
    assert not (tmp_path / "victim").exists()


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
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(tmp_path / "elsewhere")
    inside = Inside(tmp_path / "out")
    with pytest.raises(OSError, match="nothing is written outside"):
        inside.write("sub/a.tsv", "text")
    assert [path for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()] == []


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
