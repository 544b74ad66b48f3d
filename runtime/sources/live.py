"""What cameras, addresses and files that are played have in common: frames that come when they come."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Protocol

from of3.runtime.settings import MAX_PIXELS
from of3.runtime.sources.container import LENIENT, VideoError, first_video
from of3.runtime.sources.decoder import Decoder
from of3.runtime.sources.frames import Frame
from of3.runtime.sources.video import Video
from of3.runtime.types import RunBroken, RunError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video import VideoFrame, VideoStream

MOST_REFUSALS = 100  # damaged packets, one after the other
AGAIN_S = 0.001  # AVFoundation says "not yet" instead of waiting


class StreamLost(RunBroken):
    """A stream that was there is there no longer, and why."""


@dataclass(frozen=True, slots=True)
class Look:
    """What frames look like."""

    codec: str  # FFmpeg's name
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class Loss:
    """A stream was away."""

    time_s: float  # of the last frame before
    away_s: float
    reason: str


class Feed(Protocol):
    """Open from the beginning; its frames are gone through once, on one thread, which closes it."""

    name: str  # as it is told, without passwords
    look: Look
    is_paced: bool  # frames can be had before they are due
    silence_s: float  # after so long without a frame it is lost
    losses: list[Loss]

    def frames(self) -> Iterator[Frame]:
        """As they come.  Raises StreamLost."""

    def close(self) -> None: ...


class Played:
    """A video file at its own pace."""

    is_paced, silence_s = True, inf

    def __init__(self, path: str, max_pixels: int = MAX_PIXELS):
        """Raises RunError: it cannot be read."""
        try:
            self._video = Video(path, max_pixels)
        except VideoError as error:
            raise RunError(f"{path}: {error}") from error
        info = self._video.info
        self.name, self.look = path, Look(info.codec, info.width, info.height)
        self.losses: list[Loss] = []

    def frames(self) -> Iterator[Frame]:
        return self._video.frames()

    def close(self) -> None:
        self._video.close()


class Opened:
    """A container whose pictures come by themselves."""

    def __init__(self, container: "InputContainer", max_pixels: int):
        """Raises VideoError, and closes it."""
        try:
            self._stream = first_video(container, max_pixels, LENIENT)
        except VideoError:
            container.close()
            raise
        self._container = container
        self.is_recording = bool(container.duration)  # 0 in some that are live
        self.tick_s = self._stream.time_base
        codec = self._stream.codec_context
        self.look = Look(codec.name, codec.width, codec.height)

    def pictures(self) -> Iterator["VideoFrame"]:
        """Those that are whole, to the end of the stream.  Raises StreamLost."""
        return Decoder(self._stream, _unheard).pictures(self._packets())

    def _packets(self) -> Iterator["Packet[VideoStream]"]:
        import av

        refusals = 0
        while refusals < MOST_REFUSALS:
            try:
                for packet in self._container.demux(self._stream):
                    refusals = 0
                    yield packet
                return
            except av.error.BlockingIOError:
                time.sleep(AGAIN_S)
            except av.error.InvalidDataError:
                refusals += 1
            except (av.error.FFmpegError, OSError) as error:
                raise StreamLost(reason_of(error)) from error
        raise StreamLost("nothing in it can be decoded any more")

    def close(self) -> None:
        self._container.close()


def _unheard(_: int | None) -> None:
    """Nobody is told of a picture that is not whole: over a radio link there are many."""


def reason_of(error: Exception) -> str:
    """In FFmpeg's words but for the address, which may hold a password."""
    import av

    if isinstance(error, av.error.ExitError):  # FFmpeg was told to stop waiting
        return "no answer"
    return str(getattr(error, "strerror", "") or type(error).__name__)
