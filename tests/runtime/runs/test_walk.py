"""What is found below a folder, by which path, and what is passed over."""

import os
import random

import pytest

from of3.runtime.runs.listing import FileListing
from of3.runtime.runs.walk import Walk
from of3.runtime.types import RunError

SUFFIXES = (".jpg", ".png")


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def walked(folder, follow_links=False):
    """The walk when it has ended, and the paths below the folder."""
    walk = Walk(str(folder), SUFFIXES, follow_links)
    return walk, sorted(os.path.relpath(path, folder) for path in walk)


def test_files_that_are_not_looked_at_are_counted_by_suffix(tmp_path):
    touch(tmp_path, "a.HEIC", "b.tif", "c.avif", "d.gif", "e.jfif", "f.jpg?w=200", "g", "h.jpg")
    touch(tmp_path, "sub/i.heic", "sub/j.jpg?w=300", ".hidden", "k.from tom to me", "l.")
    walk, found = walked(tmp_path)
    assert found == ["h.jpg"]
    assert list(walk.passed_over()) == [
        "not looked at: 2 .heic, 2 .jpg?, 2 of other suffixes, 2 without a suffix, 1 .avif, 1 .gif, 1 .jfif, "
        "1 .tif; --suffixes names what is"
    ]


def test_a_thousand_suffixes_are_one_short_line_and_no_more_memory(tmp_path):
    touch(tmp_path, *(f"x.{number}" for number in range(1500)), "a.tsv", "b.tsv")
    walk, _ = walked(tmp_path)
    assert len(walk.others) <= 1001
    (line,) = walk.passed_over()
    assert line.endswith(" others; --suffixes names what is")
    assert len(line) < 160
    assert sum(int(part.split()[0]) for part in line.removeprefix("not looked at: ").split(", ")) == 1502


def test_what_systems_leave_beside_pictures_is_neither_a_picture_nor_told(tmp_path):
    touch(tmp_path, "a.jpg", "._a.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", ".hidden.jpg", ".Trash.jpg")
    for folder in (
        ".ipynb_checkpoints",
        "@eaDir",
        ".Trash-1000",
        ".Trashes",
        "__MACOSX",
        ".thumbnails",
        ".git",
    ):
        touch(tmp_path, f"{folder}/b.jpg", f"sub/{folder}/c/d.jpg")
    walk, found = walked(tmp_path)
    assert found == [".Trash.jpg", ".hidden.jpg", "a.jpg"]
    assert not list(walk.passed_over())


def test_linked_folders_are_told_and_followed_only_when_asked(tmp_path):
    touch(tmp_path, "elsewhere/b.jpg", "in/a.jpg")
    for name in ("x", "y.jpg"):
        (tmp_path / "in" / name).symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "nowhere").symlink_to(tmp_path / "gone")
    walk, found = walked(tmp_path / "in")
    assert found == ["a.jpg"]
    assert list(walk.passed_over())[-1] == "not searched: 2 linked folders; --follow_links on does"
    walk, found = walked(tmp_path / "in", follow_links=True)
    assert found == ["a.jpg", "x/b.jpg"]
    assert walk.links == 0


def test_a_folder_has_its_own_path_before_a_link_s_and_loops_end(tmp_path):
    touch(tmp_path, "in/real/a.jpg", "out/deep/b.jpg", "out/c.jpg")
    (tmp_path / "in" / "all").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in" / "real")
    (tmp_path / "in" / "real" / "up").symlink_to("..")
    (tmp_path / "in" / "z").symlink_to(tmp_path / "out" / "deep")
    (tmp_path / "in" / "zz").symlink_to(tmp_path / "out")
    (tmp_path / "out" / "back").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "self").symlink_to(tmp_path / "in" / "self")
    _, found = walked(tmp_path / "in", follow_links=True)
    assert found == ["real/a.jpg", "z/b.jpg", "zz/c.jpg"]


def test_paths_by_links_do_not_depend_on_the_order_in_which_a_folder_is_read(tmp_path, monkeypatch):
    touch(tmp_path, *(f"out/{number}/a.jpg" for number in range(5)))
    for number in range(5):
        for link in (f"{number}", f"x{number}"):
            touch(tmp_path, f"in/{number}/here.txt")
            (tmp_path / "in" / str(number) / link).symlink_to(tmp_path / "out" / str(number))
            (tmp_path / "in" / f"all{link}").symlink_to(tmp_path / "out")
    _, want = walked(tmp_path / "in", follow_links=True)
    assert len(want) == 5
    scandir = os.scandir

    class Shuffled:
        def __init__(self, folder):
            with scandir(folder) as entries:
                self._entries = random.sample(found := list(entries), len(found))

        def __enter__(self):
            return iter(self._entries)

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(os, "scandir", Shuffled)
    for _ in range(5):
        assert walked(tmp_path / "in", follow_links=True)[1] == want


@pytest.mark.parametrize(
    ("root", "want"),
    [
        (".", "a.jpg"),
        ("", "a.jpg"),
        ("./", "a.jpg"),
        ("x", "x/b.jpg"),
        ("./x", "x/b.jpg"),
        ("x/", "x/b.jpg"),
        ("x//y", "x/y/c.jpg"),
        ("./x/./y/", "x/y/c.jpg"),
        ("x/..", "x/../a.jpg"),
        ("../here/x", "../here/x/b.jpg"),
    ],
)
def test_paths_begin_as_pathlib_writes_the_root(root, want, tmp_path, monkeypatch):
    touch(tmp_path, "here/a.jpg", "here/x/b.jpg", "here/x/y/c.jpg")
    monkeypatch.chdir(tmp_path / "here")
    assert want in list(Walk(root, SUFFIXES))
    with FileListing(root) as listing:
        items = list(listing.items())
    assert want in [item.path for item in items]
    assert all(item.stem_index == 0 for item in items)


def test_an_absolute_root_stays_so(tmp_path):
    touch(tmp_path, "a.jpg")
    assert list(Walk(str(tmp_path), SUFFIXES)) == [str(tmp_path / "a.jpg")]


def test_a_folder_without_pictures_says_what_is_there(tmp_path):
    touch(tmp_path, "a.heic", "elsewhere/b.jpg", "in/c.tif")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError) as raised:
        FileListing(str(tmp_path / "in"))
    assert str(raised.value) == (
        f"--aligned {tmp_path / 'in'}: no .jpg, .jpeg, .png, .webp or .bmp below it; "
        "not looked at: 1 .tif; --suffixes names what is; not searched: 1 linked folder; --follow_links on does"
    )
    with FileListing(str(tmp_path / "in"), suffixes=(".tif",)) as listing:
        assert listing.images == 1
