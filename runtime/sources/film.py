"""Pictures, and the sound of the video that they are of -> an MP4, by PyAV (FFmpeg).

H.264 as x264 makes it, in BT.709's colours, which it says; each picture at the time stamp it had in the source.
"""

from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO, Final

import cv2
import numpy as np

from of3.runtime.sources.sound import Sound
from of3.runtime.sources.video import Video
from of3.runtime.types import Pixels, RunError

if TYPE_CHECKING:
    from av.audio import AudioStream
    from av.video import VideoFrame

CODEC: Final = "libx264"
# 20: what is drawn has no fringes.  superfast: of a core 10 ms a frame of 720p, veryfast 16, for half the bytes
# (2026-11).
QUALITY, PRESET = "20", "superfast"
MOST_THREADS = 4  # more of them cost more than they bring: on two cores three take 25 ms where one takes 16
BT709, LIMITED = 1, 1  # as H.264 numbers colour spaces, and FFmpeg ranges
LEAST_RATE, MOST_RATE = 1, 240  # frames/s: it only hints at how long a picture stands


class Film:
    """Use as a context manager, from one thread at a time; without `finish` what is in the file is no video."""

    def __init__(self, file: BinaryIO, video: Video, sound: Sound, threads: int = 1):
        """file: empty, stays open; is sought in.  video: whose pictures will come.  threads: for encoding.

        Raises RunError where PyAV was built without the encoder.
        """
        import av

        self._clock, self._sound, info = video.clock, sound, video.info
        self._size = info.width, info.height
        # Of when the first picture is shown, where that is not at 0: by its own default to a millisecond.
        precision = {"movie_timescale": str(self._clock.tick_s.denominator)}
        self._container = av.open(file, "w", format="mp4", container_options=precision)
        rate = Fraction(min(max(info.rate, LEAST_RATE), MOST_RATE)).limit_denominator(1001)
        try:
            self._stream = self._container.add_stream(CODEC, rate=rate)
        except (ValueError, av.error.FFmpegError) as error:
            raise RunError(f"PyAV has no {CODEC}: pip install --force-reinstall 'of3[video]'") from error
        context = self._stream.codec_context
        context.width, context.height = (side + side % 2 for side in self._size)
        context.pix_fmt, context.time_base = "yuv420p", self._clock.tick_s
        context.sample_aspect_ratio = info.pixel_aspect
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED
        context.options = {"crf": QUALITY, "preset": PRESET}
        context.thread_type, context.thread_count = "FRAME", min(threads, MOST_THREADS)
        self._tracks = self._sound_tracks()
        self._container.start_encoding()
        self._last: int | None = None
        self.pictures = 0

    @property
    def left_out(self) -> tuple[str, ...]:
        """Codecs of sound that no MP4 holds."""
        return tuple(each.codec_context.name for each in self._sound.streams if each.index not in self._tracks)

    def _sound_tracks(self) -> "dict[int, AudioStream]":
        """By the number of the stream in the source."""
        held = self._container.supported_codecs
        return {
            stream.index: self._container.add_stream_from_template(stream)
            for stream in self._sound.streams
            if stream.codec_context is not None and stream.codec_context.name in held
        }

    def add(self, pixels: Pixels, time_s: float) -> None:
        """The next picture, BGR (H,W,3), upright.  time_s: since the start of the source's video.

        Raises OSError.
        """
        stamp = self._clock.stamp(time_s)
        self._mux_sound(stamp * self._clock.tick_s)
        stamp -= round(self._sound.zero_s / self._clock.tick_s)
        frame = _frame(_even(_of_size(pixels, self._size)))
        frame.pts = stamp if self._last is None else max(stamp, self._last + 1)
        frame.time_base, self._last = self._clock.tick_s, frame.pts
        self._container.mux(self._stream.encode(frame))
        self.pictures += 1

    def _mux_sound(self, until_s: Fraction) -> None:
        for packet in self._sound.until(until_s):
            track = self._tracks.get(packet.stream.index)
            if track is None:
                continue
            assert packet.dts is not None and packet.pts is not None and packet.time_base is not None
            zero = round(self._sound.zero_s / packet.time_base)
            packet.dts, packet.pts = packet.dts - zero, packet.pts - zero
            packet.stream = track
            self._container.mux(packet)

    def finish(self) -> None:
        """Write what is left, and all of the sound.  Raises OSError."""
        self._container.mux(self._stream.encode(None))
        self._mux_sound(Fraction(1 << 40))
        self._container.close()

    def __enter__(self) -> "Film":
        return self

    def __exit__(self, *_: object) -> None:
        import av

        with suppress(av.error.FFmpegError, OSError, ValueError):  # what ended it is told, not what comes of it
            self._container.close()


def _of_size(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Some streams change their size on the way, a film has one."""
    if pixels.shape[1::-1] == size:
        return pixels
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _even(pixels: Pixels) -> Pixels:
    """With the last row and column twice, where their number is odd: colours are kept of every other one."""
    below, right = pixels.shape[0] % 2, pixels.shape[1] % 2
    if not below and not right:
        return pixels
    return cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)


def _frame(pixels: Pixels) -> "VideoFrame":
    import av

    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="bgr24")
    return frame.reformat(format="yuv420p", dst_colorspace=BT709, dst_color_range=LIMITED, threads=1)
