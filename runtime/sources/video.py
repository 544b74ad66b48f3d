"""A video file -> its frames, by PyAV (FFmpeg).

Decoded in sequence, never sought in: what seeking gives is another frame with some codecs and containers.  To
go on from a frame is to decode up to it and to leave those before unconverted, with `frames.selected`: 17 s up
to frame 9 000 of 720p H.264 (2026-11).
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import inf
from typing import TYPE_CHECKING, cast

import numpy as np

from of3.runtime.patience import lost
from of3.runtime.settings import MAX_PIXELS
from of3.runtime.sources.claim import Claim, claim_of, is_of_all
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
from of3.runtime.sources.display import CLOCKWISE_DEG, MIRRORED, orientation_of
from of3.runtime.sources.frames import Frame
from of3.runtime.stream import peek
from of3.runtime.types import Pixels
from of3.runtime.vision.orientation import upright

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video import VideoFrame, VideoStream

# Frames behind a frame among whose time stamps its own is looked for.  AVI has them in the order of decoding:
# 16 frames of x264's may come there after one that is shown after them.
STAMPED_AS_DECODED, DEPTH = {"avi": 16}, 4
WITHOUT_STAMPS = {"m4v", "mpegvideo"}  # bare streams; FFmpeg makes some up, at 25 frames/s
USUAL_RATE = Fraction(25)  # FFmpeg's own, of streams that do not say
MOST_REFUSALS = 100  # of a file to be read on, one after the other


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
    is_mirrored: bool = False  # left and right change places before the frames are turned


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
        self._claim = claim_of(self._container, self._stream, self._start_s)
        self.info = _info(self._stream, self._claim, first[0])

    def _begin(self, path: str, max_pixels: int, strictness: str) -> list["VideoFrame"]:
        """Open the file; gives the first frame where there is one."""
        with ExitStack() as stack:
            self._container = stack.enter_context(opened_container(stack.enter_context(opened_file(path))))
            self._stream = first_video(self._container, max_pixels, strictness)
            self._clock = _clock(self._stream)
            self._damage = Damage(float(self._clock.frame_s))
            self._others_s = -inf
            first, self._pictures = peek(Decoder(self._stream, self._lost).pictures(self._packets()), 1)
            self._start_s = _start_s(self._clock, first)
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
        self._damage.ended(end_s, number + 1, self._claim, self._others_s - float(self._start_s))

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

        # What other streams have is looked at only where their length may be the one that is told.
        is_shared = is_of_all(self._container, self._stream)
        read = tuple(self._container.streams) if is_shared else (self._stream,)
        for _ in range(MOST_REFUSALS):
            try:
                for packet in self._container.demux(*read):
                    if packet.stream.index == self._stream.index:
                        yield cast("Packet[VideoStream]", packet)
                    elif packet.pts is not None and packet.time_base is not None:
                        end_s = (packet.pts + (packet.duration or 0)) * packet.time_base
                        self._others_s = max(self._others_s, float(end_s))
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


def _start_s(clock: Clock, first: Sequence["VideoFrame"]) -> Fraction:
    start = first[0].pts if clock.start is None and first else clock.start
    return (start or 0) * clock.tick_s


def _info(stream: "VideoStream", claim: Claim, picture: "VideoFrame") -> VideoInfo:
    orientation = orientation_of(picture)
    turned = CLOCKWISE_DEG[orientation]
    width, height = (picture.width, picture.height)[:: -1 if turned in (90, 270) else 1]
    rate = float(1 / _clock(stream).frame_s)
    aspect = stream.sample_aspect_ratio or Fraction(1)
    aspect = 1 / aspect if turned in (90, 270) else aspect
    name, is_mirrored = stream.codec_context.name, orientation in MIRRORED
    return VideoInfo(name, width, height, turned, rate, claim.end_s, claim.frames, aspect, is_mirrored)


def _stamp(picture: "VideoFrame") -> int | None:
    return picture.pts


def _no_stamp(_: "VideoFrame") -> None:
    return None


def pixels_of(picture: "VideoFrame") -> Pixels:
    """Coded frame -> BGR (H,W,3), upright, with the colour matrix and range that the stream names."""
    # One thread of the scaler's own: on two cores 0.4 ms of 720p, with as many as it likes 0.6 (2026-11).
    pixels = picture.to_ndarray(format="bgr24", threads=1).astype(np.uint8, copy=False)
    return upright(pixels, orientation_of(picture))
