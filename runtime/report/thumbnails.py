"""Places in pictures and videos -> small JPEGs as data URIs.

What is missing, or is another file by now, has none.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import groupby

import cv2

from of3.runtime.logs.items import NO_FILE, stamp_of
from of3.runtime.pages.picture import data_uri, scaled
from of3.runtime.report.batch import Box, Spot
from of3.runtime.sources.container import VideoError
from of3.runtime.sources.video import Video
from of3.runtime.types import PictureError, Pixels, RunError, Source
from of3.runtime.vision.images import read_image

SIDE_PX = 160
AROUND = 1.4  # sides of its box that are shown of a face
MOST_BYTES = 3_000_000  # of all, in the page
MOST_DECODED = 10_000  # frames of all videos: some 20 s of 720p


class Thumbnails:
    """Of one page.  Empty until `read`.

    missing, changed: files that are not there, or another than was analysed.
    """

    def __init__(self) -> None:
        self.missing = self.changed = 0
        self._made: dict[tuple[str, int | None, Box | None], str] = {}
        self._bytes = self._decoded = 0

    def of(self, spot: Spot) -> str:
        """Empty where there is none."""
        return self._made.get((spot.path, spot.frame, spot.box), "")

    def __len__(self) -> int:
        return len(self._made)

    def read(self, spots: Iterable[Spot]) -> None:
        for path, some in groupby(sorted(spots, key=_order), key=lambda spot: spot.path):
            of_file = list(some)
            stamp = stamp_of(path)
            if stamp == NO_FILE:
                self.missing += 1
            elif stamp != of_file[0].stamp:
                self.changed += 1
            else:
                with suppress(PictureError, VideoError, RunError, OSError, cv2.error):
                    self._read_file(path, of_file)

    def _read_file(self, path: str, spots: list[Spot]) -> None:
        if spots[0].frame is None:
            self._make(read_image(Source(path, path)).pixels, spots)
            return
        by_frame = {number: list(some) for number, some in groupby(spots, key=lambda spot: spot.frame)}
        self._read_video(path, {number: some for number, some in by_frame.items() if number is not None})

    def _read_video(self, path: str, by_frame: Mapping[int, list[Spot]]) -> None:
        last = max(by_frame)
        with Video(path) as video:
            for frame in video.frames():
                self._decoded += 1
                if frame.number > last or self._decoded > MOST_DECODED:
                    return
                if frame.number in by_frame:
                    self._make(frame.pixels(), by_frame[frame.number])

    def _make(self, pixels: Pixels, spots: Iterable[Spot]) -> None:
        for spot in spots:
            if self._bytes < MOST_BYTES:
                uri = data_uri(shown_of(pixels, spot.box))
                self._made[spot.path, spot.frame, spot.box] = uri
                self._bytes += len(uri)


def _order(spot: Spot) -> tuple[str, int]:
    return spot.path, -1 if spot.frame is None else spot.frame


def shown_of(pixels: Pixels, box: Box | None) -> Pixels:
    """The square around a box, as far as it lies in the picture, or all of it; at most SIDE_PX."""
    if box is not None:
        x, y, half = (
            (box[0] + box[2]) / 2,
            (box[1] + box[3]) / 2,
            AROUND / 2 * max(box[2] - box[0], box[3] - box[1]),
        )
        left, top, right, bottom = (max(0, round(each)) for each in (x - half, y - half, x + half, y + half))
        inside = pixels[top:bottom, left:right]
        pixels = inside if inside.size else pixels
    return scaled(pixels, min(SIDE_PX, max(pixels.shape[:2])))
