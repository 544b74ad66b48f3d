"""The records of videos -> what a page shows of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from of3.runtime.logs.coding import Values
from of3.runtime.logs.frames import frames_in
from of3.runtime.logs.store import Store
from of3.runtime.report.batch import Batch, Spot, spot_of
from of3.runtime.report.gathered import Gathered
from of3.runtime.report.lines import Lines
from of3.runtime.tables.video_rows import following_in
from of3.runtime.tracks.follower import Follower
from of3.runtime.tracks.watched import watched
from of3.runtime.vision.lens import USUAL

A_LINE = 600  # points
MOST_POINTS = 8000  # of all lines of a page, 260 bytes each; those of one video more at most
MOST_LINES = 15  # videos that have some
MOST_FOLLOWED = 40_000  # faces of all of these: some 20 s
MOST_POSES = 4000  # likewise: some 4 s
PICTURES = 24  # of a video, shown where one points at its lines


@dataclass(slots=True)
class VideoFound:
    """lines: None where the page has no room for them.  every: of how many frames one was followed."""

    name: str  # legible
    facts: Mapping[str, Any]  # video.json, as far as it can be read
    frames: int
    expected: int  # faces, about
    faces: int = 0
    lines: Lines | None = None
    every: int = 1
    spots: Sequence[Spot] = ()  # frames that are shown beside the lines


def gather_video(found: VideoFound, store: Store, into: Gathered, shown: Callable[[int], None]) -> None:
    """One pass.  Raises RunError where the records are damaged."""
    following = following_in(store)
    run = store.run(store.last_run)
    lines = found.lines
    follower = Follower(following)
    if lines is not None and lines.every:
        lines.camera, follower = following.camera, Follower(replace(following, camera=None))
    wanted = set(np.linspace(0, found.frames - 1, min(PICTURES, found.frames)).astype(int).tolist())
    into.summary.videos += 1
    spots, before = list[Spot](), 0
    for batch, rows in into.add(store, following.camera or USUAL):
        found.faces += len(batch.rows)
        spots += [spot_of(row, None) for at, row in enumerate(batch.pictures, before) if at in wanted]
        if lines is not None:
            for frame in frames_in(_every(batch, rows, before, found.every), run.names):
                lines.add(watched(frame, follower))
        before += len(batch.pictures)
        shown(len(batch.pictures))
    found.spots = spots
    if lines is not None:
        lines.end()


def _every(batch: Batch, rows: Sequence[Values], before: int, every: int) -> Sequence[Values]:
    """The rows of every so manieth picture.  before: pictures that there were."""
    if every == 1:
        return rows
    keys = {row[0] for at, row in enumerate(batch.pictures, before) if at % every == 0}
    return [row for row in rows if row[0] in keys]


def lines_for(found: VideoFound, videos: int) -> Lines:
    """To be filled; sets how many frames are left out.  videos: that there are."""
    share = min(videos, MOST_LINES)
    found.every = _every_for(found.expected, MOST_FOLLOWED // share)
    every = _every_for(-(-found.expected // found.every), MOST_POSES // share)
    followed = -(-found.frames // found.every)
    return Lines(_every_for(followed, A_LINE), every if every > 1 else 0)


def _every_for(count: int, most: int) -> int:
    """Of how many to take one, so that there are no more."""
    return max(1, -(-count // most))
