"""The sound of a video file, packet by packet as it lies there: nothing is decoded."""

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import TYPE_CHECKING, cast

from of3.runtime.sources.container import opened_container, opened_file

if TYPE_CHECKING:
    from av.audio import AudioStream
    from av.packet import Packet

# Their stamps count from anywhere, as a broadcast's do.
WITHOUT_ZERO = {"mpegts", "mpeg"}


class Sound:
    """Use as a context manager; gone through once, in pieces."""

    def __init__(self, path: str):
        """Raises VideoError as a Video does."""
        with ExitStack() as stack:
            self._container = stack.enter_context(opened_container(stack.enter_context(opened_file(path))))
            self.streams: tuple[AudioStream, ...] = tuple(self._container.streams.audio)
            self._packets = self._demuxed()
            self._next: Packet[AudioStream] | None = None
            self._stack = stack.pop_all()

    @property
    def zero_s(self) -> Fraction:
        """Where the file's time begins, its video's too."""
        is_anywhere = self._container.format.name in WITHOUT_ZERO
        return Fraction((self._container.start_time or 0) if is_anywhere else 0, 1_000_000)

    def until(self, time_s: Fraction) -> "Iterator[Packet[AudioStream]]":
        """The next packets, up to this time of the file's.  What cannot be read ends the sound."""
        while (packet := self._next or next(self._packets, None)) is not None:
            self._next = packet
            assert packet.dts is not None and packet.time_base is not None
            if packet.dts * packet.time_base > time_s:
                return
            self._next = None
            yield packet

    def _demuxed(self) -> "Iterator[Packet[AudioStream]]":
        import av

        try:
            for packet in self._container.demux(*self.streams) if self.streams else ():
                if packet.size and packet.dts is not None and packet.pts is not None:
                    yield cast("Packet[AudioStream]", packet)
        except (av.error.FFmpegError, OSError):
            return

    def __enter__(self) -> "Sound":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
