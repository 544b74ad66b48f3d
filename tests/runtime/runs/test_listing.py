"""Which pictures there are, in what order, which of them are done, and where each may write."""

import os
import unicodedata

import pytest

from of3.runtime.logs.items import Done, key_of, stamp_of
from of3.runtime.logs.names import stem_at
from of3.runtime.runs.listing import FileListing
from of3.runtime.types import RunError


def touch(folder, *names):
    for name in names:
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:  # noqa: PTH123 - names that are not UTF-8
            file.write(os.fsencode(name))


def items(folder, done=(), retry_failed=False):
    with FileListing(str(folder), retry_failed) as listing:
        found = list(listing.items(lambda: iter(sorted(done, key=lambda each: each.key))))
        assert listing.images == len(found) + listing.skipped
        return found


def paths(folder):
    return [item.path for item in items(folder)]


def names_of(folder, found):
    relatives = [os.path.relpath(item.path, folder) for item in found]
    return [stem_at(relative, item.stem_index) for relative, item in zip(relatives, found, strict=True)]


def test_the_order_is_that_of_the_tables_for_every_name(tmp_path):
    touch(
        tmp_path,
        "a/b.png",
        "a b/c.png",
        "a.b/c.png",
        "a-b.png",
        "a.png",
        "B.png",
        "z\udcff.jpg",
        "z\U0001f600.jpg",
    )
    touch(tmp_path, "z\ue000.jpg", "zé.jpg", "new\nline.jpg")
    found = items(tmp_path)
    assert [item.path for item in found] == sorted(paths(tmp_path), key=lambda path: path.split(os.sep))
    assert [item.stamp for item in found] == [stamp_of(item.path) for item in found]


def test_pictures_are_found_recursively_in_any_case_sorted_by_folder(tmp_path):
    for name in ("b.JPG", "a.png", "sub/c.jpeg", "sub-2/d.WebP", "sub/x.bmp", "notes.txt", "e.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "folder.jpg" / "inside.png").touch()
    found = [os.path.relpath(path, tmp_path) for path in paths(tmp_path)]
    assert found == ["a.png", "b.JPG", "folder.jpg/inside.png", "sub/c.jpeg", "sub/x.bmp", "sub-2/d.WebP"]


def test_order_is_that_of_sorted_pathlib_paths(tmp_path):
    for name in ("a/b.png", "a b/c.png", "a.b/c.png", "a-b.png", "a.png", "B.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert paths(tmp_path) == [str(path) for path in sorted(tmp_path.rglob("*.png"))]


def test_a_link_loop_ends(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "a.png").touch()
    assert len(paths(tmp_path)) == 1


def test_a_folder_without_pictures_is_refused(tmp_path):
    touch(tmp_path, "notes.txt")
    with pytest.raises(RunError, match=r"no \.jpg, \.jpeg, \.png, \.webp or \.bmp below it"):
        FileListing(str(tmp_path))


def test_equal_stems_never_meet(tmp_path):
    touch(tmp_path, "a.jpg", "a.png", "x/a.jpg", "x/a.png", "x/b.jpg", "y/a.jpg", "y/x/a.jpg")
    found = items(tmp_path)
    assert names_of(tmp_path, found) == ["a", "a.png", "x/a", "x/a.png", "b", "y/a", "y/x/a"]


def test_stems_that_a_file_system_would_fold_never_meet(tmp_path):
    names = ["IMG.jpg", "img.png", "Img.jpg", "sub/IMG.jpg", "SUB/img.jpg", "caf\u00e9.jpg", "cafe\u0301.jpg"]
    touch(tmp_path, *names, "alone.jpg")
    found = items(tmp_path)
    relatives = [os.path.relpath(item.path, tmp_path) for item in found]
    stems = dict(zip(relatives, names_of(tmp_path, found), strict=True))
    assert len({unicodedata.normalize("NFC", stem).casefold() for stem in stems.values()}) == len(names) + 1
    assert (stems["IMG.jpg"], stems["alone.jpg"]) == ("IMG", "alone")  # the first of its likes, and one of none
    assert stems["cafe\u0301.jpg"] == "cafe\u0301"


def test_stems_of_an_earlier_run_stay_though_they_would_be_folded(tmp_path):
    touch(tmp_path, "A.jpg", "a.jpg", "sub/A.jpg")
    done = [Done(key_of(str(tmp_path / name)), 0, 0, True, 0) for name in ("A.jpg", "a.jpg")]
    assert [item.stem_index for item in items(tmp_path, done)] == [0, 0, 1]


def test_a_stem_stays_whose_it_was_however_the_rows_were_sorted_since(tmp_path):
    """`b/a.jpg` came first and has the bare stem, though `a/a.jpg` now stands before it."""
    touch(tmp_path, "b/a.jpg")
    (first,) = items(tmp_path)
    touch(tmp_path, "a/a.jpg")
    path = str(tmp_path / "a/a.jpg")
    stamp = stamp_of(path)
    done = [Done(key_of(path), stamp.size, stamp.mtime_ns, True, 1), Done(key_of(first.path), 0, 0, True, 0)]
    (changed,) = items(tmp_path, done)
    assert (changed.path, changed.stem_index) == (first.path, 0)


def test_even_names_made_to_collide_have_a_place_of_their_own(tmp_path):
    """Each of its likes is taken by an earlier run's picture."""
    touch(tmp_path, "x/a.png")
    done = [
        Done(key_of(str(tmp_path / name)), 1, 1, True, index)
        for name, index in (("y/a.jpg", 0), ("x/a.jpg", 1), ("x/a.png.jpg", 1))
    ]
    (found,) = items(tmp_path, done)
    assert found.stem_index == 3
    assert names_of(tmp_path, [found])[0].startswith("x/a-")


def test_done_pictures_are_skipped_while_they_stay_the_same(tmp_path):
    touch(tmp_path, "a.png", "b.png", "c.png", "d.png")
    found = items(tmp_path)
    done = [
        Done(key_of(item.path), item.stamp.size, item.stamp.mtime_ns, item.path.endswith("a.png"), 0)
        for item in found[:3]
    ]
    os.utime(tmp_path / "c.png", (1, 1))
    assert [os.path.basename(item.path) for item in items(tmp_path, done)] == ["c.png", "d.png"]
    retried = items(tmp_path, done, retry_failed=True)
    assert [os.path.basename(item.path) for item in retried] == ["b.png", "c.png", "d.png"]


def test_a_folder_that_vanishes_is_skipped(tmp_path, caplog):
    touch(tmp_path, "a.png", "gone/b.png")
    walk = os.scandir

    def scandir(folder):
        if str(folder).endswith("gone"):
            os.unlink(f"{folder}/b.png")
            os.rmdir(folder)
        return walk(folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        assert len(items(tmp_path)) == 1
    assert "gone is not searched" in caplog.text


@pytest.mark.long
def test_100_000_names_are_listed(tmp_path):
    for number in range(100_000):
        (tmp_path / f"{number}.png").touch()
    found = paths(tmp_path)
    assert len(found) == 100_000
    assert found == sorted(found)
