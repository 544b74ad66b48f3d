"""Packets of a stream -> the pictures of it that are whole, as far as the codec can tell."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video import VideoFrame, VideoStream

Lost = Callable[[int | None], None]  # is told of each picture that is not whole, by its stamp where it has one


class Decoder:
    """After an error it waits for the next key frame: what comes before would be made of what is lost."""

    def __init__(self, stream: "VideoStream", lost: Lost):
        self._stream, self._lost = stream, lost
        self._is_waiting = False
        self._from: int | None = None  # the stamp of the last loss that was not waited for
        self._until: int | None = None  # that of the key frame after it

    def pictures(self, packets: Iterable["Packet[VideoStream]"]) -> Iterator["VideoFrame"]:
        for packet in packets:
            if self._is_waiting and packet.size:
                if not packet.is_keyframe:
                    self._lost(packet.pts)
                    continue
                yield from self._whole(None)
                self._stream.codec_context.flush_buffers()  # HEVC refuses all frames behind a hole otherwise
                self._is_waiting, self._until = False, packet.pts
            yield from self._whole(packet)

    def _whole(self, packet: "Packet[VideoStream] | None") -> Iterator["VideoFrame"]:
        """None: what the decoder still holds."""
        import av

        try:
            pictures = self._stream.codec_context.decode(packet)
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError:
            stamp = None if packet is None else packet.pts
            self._lost(stamp)
            self._is_waiting, self._from, self._until = True, stamp, None
            return
        for picture in pictures:
            if picture.is_corrupt or self._leans_on_loss(picture.pts):
                self._lost(picture.pts)
            else:
                yield picture

    def _leans_on_loss(self, stamp: int | None) -> bool:
        """Whether a picture is the lost one, which some decoders give out later, or is shown between it and the
        key frame though it comes after that: those of an open group of pictures lean on both sides."""
        if stamp is None or self._from is None:
            return False
        return stamp == self._from if self._until is None else self._from <= stamp < self._until
