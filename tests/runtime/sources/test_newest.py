"""The newest frame of what comes by itself, on files that are played and on feeds that are made here."""

import time
from functools import partial
from itertools import pairwise
from math import inf

import numpy as np
import pytest

from of3.runtime.sources.frames import Frame
from of3.runtime.sources.live import Look, Played, StreamLost
from of3.runtime.sources.newest import Newest
from of3.runtime.types import RunError

RATE = 120
LATE_S = 0.25  # what a busy machine may take to wake a thread


class Made:
    """A feed of numbered frames that come as fast as they are taken, and of what comes behind them."""

    name, look, is_paced = "made", Look("none", 4, 4), False

    def __init__(self, frames, then, silence_s=inf):
        self.losses, self.silence_s = [], silence_s
        self.is_closed = False
        self._frames, self._then = frames, then

    def frames(self):
        for number in range(self._frames):
            yield Frame(number, number / RATE, "arrival", lambda: np.zeros((4, 4, 3), np.uint8))
        self._then()

    def close(self):
        self.is_closed = True


def never():
    return False


@pytest.fixture
def quick(write, tmp_path):
    """0.75 s at 120 frames/s, each with its number in it."""
    times_ms = [round(1000 * number / RATE) for number in range(90)]
    return write(tmp_path / "quick.mkv", 90, times_ms=times_ms, between=0)


def test_who_is_slower_gets_the_newest_and_the_last(quick, number_in):
    with Newest(Played(quick)) as newest:
        taken = []
        for grabbed in newest.until(never):
            taken.append(grabbed.frame.number)
            assert number_in(grabbed.frame.pixels()) == grabbed.frame.number
            time.sleep(0.1)
    gaps = [after - before for before, after in pairwise(taken)]
    assert min(gaps) >= 1 and max(gaps) > 5
    assert (taken[-1], newest.grabbed) == (89, 90)


def test_a_file_is_played_at_its_own_pace(quick):
    begun_s = time.monotonic()
    with Newest(Played(quick)) as newest:
        for grabbed in newest.until(never):
            assert grabbed.at_s - begun_s >= grabbed.frame.time_s - 1 / RATE
    assert 0.7 < time.monotonic() - begun_s < 0.75 + 4 * LATE_S


def test_what_ends_a_feed_comes_behind_its_last_frame():
    def broken():
        raise StreamLost("made is gone")

    feed = Made(3, broken)
    taken: list[int] = []
    with Newest(feed) as newest, pytest.raises(StreamLost, match="made is gone"):
        taken.extend(grabbed.frame.number for grabbed in newest.until(never))
    assert (taken[-1], newest.grabbed, feed.is_closed) == (2, 3, True)


def test_a_feed_that_falls_silent_is_lost():
    feed = Made(2, partial(time.sleep, 1.0), silence_s=0.3)
    with Newest(feed) as newest, pytest.raises(StreamLost, match=r"no frame for 0\.3 s"):
        list(newest.until(never))
    assert feed.is_closed, "its thread closed it, once it came back"


def test_it_ends_when_it_is_asked_to_though_no_frame_comes():
    with Newest(Made(0, partial(time.sleep, 0.5))) as newest:
        end_s = time.monotonic() + 0.2
        assert list(newest.until(lambda: time.monotonic() > end_s)) == []
    assert time.monotonic() - end_s < 0.3 + 4 * LATE_S


def test_a_file_that_cannot_be_played_says_why(tmp_path):
    (tmp_path / "none.mp4").write_text("no video")
    with pytest.raises(RunError, match=r"none\.mp4: unreadable: not an MP4"):
        Played(str(tmp_path / "none.mp4"))
