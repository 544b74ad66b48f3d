"""Which files are videos that were asked for, and where their results go."""

import os
from pathlib import Path

import pytest

from of3.runtime.runs.videos import SUFFIXES, videos
from of3.runtime.types import RunError


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def found(*inputs, **wishes):
    return [(video.path, video.stem) for video in videos(inputs, **wishes)]


def test_every_kind_is_found_in_any_case_below_a_folder_in_order():
    touch(*(f"in/{number}{suffix}" for number, suffix in enumerate(SUFFIXES)), "in/sub/x.MP4", "in/a.Mov")
    touch("in/photo.jpg", "in/._a.mov", "in/@eaDir/b.mp4")
    assert found("in") == [
        *((f"in/{number}{suffix}", str(number)) for number, suffix in enumerate(SUFFIXES)),
        ("in/a.Mov", "a"),
        ("in/sub/x.MP4", "x"),
    ]


def test_equal_stems_are_told_apart_as_pictures_are():
    touch("in/a/x.mp4", "in/b/x.mp4", "in/b/x.avi", "in/c/X.mkv")
    assert found("in") == [
        ("in/a/x.mp4", "x"),
        ("in/b/x.avi", "b/x"),
        ("in/b/x.mp4", "b/x.mp4"),
        ("in/c/X.mkv", "c/X"),
    ]


def test_folders_that_hold_the_same_names_keep_them_apart():
    touch("one/a/x.mp4", "two/a/x.mp4", "two/a/x.mov")
    names = found("one", "two", "one/a/x.mp4", "./two/../one")
    assert [path for path, _ in names] == ["one/a/x.mp4", "two/a/x.mov", "two/a/x.mp4"]
    assert len({stem for _, stem in names}) == 3


def test_a_file_that_is_named_is_taken_whatever_it_is_called():
    touch("clip.bin", "in/y.mp4")
    assert found("clip.bin", "in") == [("clip.bin", "clip"), ("in/y.mp4", "y")]


def test_the_order_of_what_is_named_does_not_matter():
    touch("a/x.mp4", "b/x.mp4", "b/c/x.mp4")
    assert found("b", "a") == found("a", "b") == found("b/c", "a", "b")


def test_results_from_before_keep_their_names_when_videos_come_to_them():
    touch("in/b/x.mp4")
    had = {os.path.abspath(path): stem for path, stem in found("in")}
    touch("in/a/x.mp4")
    assert found("in", had=had) == [("in/a/x.mp4", "a/x"), ("in/b/x.mp4", "x")]


def test_what_is_not_there_is_told():
    touch("in/a.jpg", "in/b.jpg")
    with pytest.raises(RunError, match=r"gone\.mp4: got nothing there, want a video or a folder of some"):
        videos(["in", "gone.mp4"])
    with pytest.raises(RunError, match=r"got no \.mp4, .* below in; not looked at: 2 \.jpg"):
        videos(["in"])
