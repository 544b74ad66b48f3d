"""A video file -> its frames, by PyAV (FFmpeg).

Decoded in sequence, never sought in: what seeking gives is another frame with some codecs and containers.  To
go on from a frame is to decode up to it and to leave those before unconverted, with `frames.selected`: 17 s up
to frame 9 000 of 720p H.264 (2026-11).
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from of3.runtime.patience import lost
from of3.runtime.settings import MAX_PIXELS
from of3.runtime.sources.clock import Clock, timed
from of3.runtime.sources.container import (
    LENIENT,
    STRICT,
    VideoError,
    first_video,
    opened_container,
    opened_file,
)
from of3.runtime.sources.damage import Damage, Note
from of3.runtime.sources.decoder import Decoder
from of3.runtime.sources.frames import Frame
from of3.runtime.stream import peek
from of3.runtime.types import Pixels
from of3.runtime.vision.orientation import upright

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video import VideoFrame, VideoStream

# Frames behind a frame among whose time stamps its own is looked for.  AVI has them in the order of decoding:
# 16 frames of x264's may come there after one that is shown after them.
STAMPED_AS_DECODED, DEPTH = {"avi": 16}, 4
WITHOUT_STAMPS = {"m4v", "mpegvideo"}  # bare streams; FFmpeg makes some up, at 25 frames/s
USUAL_RATE = Fraction(25)  # FFmpeg's own, of streams that do not say
MOST_REFUSALS = 100  # of a file to be read on, one after the other
CLOCKWISE = {0: 1, 90: 6, 180: 3, 270: 8}  # degrees -> as EXIF says it


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a file says of its video."""

    codec: str  # FFmpeg's name
    width: int  # upright
    height: int
    rotation_deg: int  # clockwise, by which the frames are turned: 0, 90, 180, 270
    rate: float  # frames/s on average
    claimed_s: float | None  # these two for a progress bar only: files say wrong ones
    claimed_frames: int | None
    pixel_aspect: Fraction = Fraction(1)  # a pixel's width over its height, upright


class Video:
    """The first video stream of a file.  Use as a context manager; its frames can be gone through once."""

    def __init__(self, path: str, max_pixels: int = MAX_PIXELS):
        """max_pixels: of a frame.

        Raises VideoError: no regular file, no video, damaged from the start, too large; RunError without PyAV.
        """
        first = self._begin(path, max_pixels, STRICT)
        if not first or self.notes:
            # What has an error in its first frame may have it throughout and be fine to look at: cameras write
            # wrong lengths of what is no picture.
            self._stack.close()
            first = self._begin(path, max_pixels, LENIENT)
        if not first:
            self._stack.close()
            raise VideoError("no video in it: got no frame that can be decoded")
        self.info = _info(self._container, self._stream, first[0])

    def _begin(self, path: str, max_pixels: int, strictness: str) -> list["VideoFrame"]:
        """Open the file; gives the first frame where there is one."""
        self._damage = Damage()
        with ExitStack() as stack:
            self._container = stack.enter_context(opened_container(stack.enter_context(opened_file(path))))
            self._stream = first_video(self._container, max_pixels, strictness)
            self._clock = _clock(self._stream)
            first, self._pictures = peek(Decoder(self._stream, self._lost).pictures(self._packets()), 1)
            self._stack = stack.pop_all()
        return first

    def frames(self) -> Iterator[Frame]:
        """In the order in which they are shown; what cannot be decoded is left out and noted.

        Raises InputLost where the machine cannot read on.
        """
        kind = self._container.format.name
        stamp_of = _no_stamp if kind in WITHOUT_STAMPS else _stamp
        shown = timed(self._pictures, stamp_of, self._clock, STAMPED_AS_DECODED.get(kind, DEPTH))
        number, time_s = -1, 0.0
        for number, (picture, time_s, source) in enumerate(shown):
            self._damage.shown(time_s)
            yield Frame(number, time_s, source, partial(pixels_of, picture))
        end_s = time_s + float(self._clock.frame_s)
        self._damage.ended(end_s, number + 1, self.info.claimed_s, self.info.claimed_frames)

    @property
    def clock(self) -> Clock:
        """What its time stamps count."""
        return self._clock

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is wrong with the part that has been gone through."""
        return tuple(self._damage.notes)

    def _packets(self) -> Iterator["Packet[VideoStream]"]:
        """As they are read; the last is empty, for what the decoder still holds."""
        import av

        for _ in range(MOST_REFUSALS):
            try:
                yield from self._container.demux(self._stream)
                return
            except av.error.FFmpegError:  # of this place in the file: the next packet may be whole
                continue
            except OSError as error:
                raise lost(error) from error

    def _lost(self, stamp: int | None) -> None:
        self._damage.lost(None if stamp is None else float(self._clock.time_s(stamp)))

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _clock(stream: "VideoStream") -> Clock:
    rate = stream.average_rate or stream.guessed_rate or USUAL_RATE
    return Clock(stream.start_time, stream.time_base or 1 / rate, 1 / rate)


def _info(container: "InputContainer", stream: "VideoStream", picture: "VideoFrame") -> VideoInfo:
    turned = _clockwise_deg(picture)
    width, height = (picture.width, picture.height)[:: -1 if turned in (90, 270) else 1]
    claimed_s = None if container.duration is None else container.duration / 1_000_000
    if stream.duration is not None and stream.time_base is not None:
        claimed_s = float(stream.duration * stream.time_base)
    rate = float(1 / _clock(stream).frame_s)
    aspect = stream.sample_aspect_ratio or Fraction(1)
    aspect = 1 / aspect if turned in (90, 270) else aspect
    name = stream.codec_context.name
    return VideoInfo(name, width, height, turned, rate, claimed_s, stream.frames or None, aspect)


def _stamp(picture: "VideoFrame") -> int | None:
    return picture.pts


def _no_stamp(_: "VideoFrame") -> None:
    return None


def _clockwise_deg(picture: "VideoFrame") -> int:
    """By the display matrix, to the next quarter."""
    return round(-picture.rotation / 90) * 90 % 360


def pixels_of(picture: "VideoFrame") -> Pixels:
    """Coded frame -> BGR (H,W,3), upright, with the colour matrix and range that the stream names."""
    # One thread of the scaler's own: on two cores 0.4 ms of 720p, with as many as it likes 0.6 (2026-11).
    pixels = picture.to_ndarray(format="bgr24", threads=1).astype(np.uint8, copy=False)
    return upright(pixels, CLOCKWISE[_clockwise_deg(picture)])
