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
        self._from: int | None = None  # the stamp of the last picture that was lost by an error
        self._until: int | None = None  # that of the key frame after it

    def pictures(self, packets: Iterable["Packet[VideoStream]"]) -> Iterator["VideoFrame"]:
        for packet in packets:
            if self._is_waiting and packet.size:
                if not packet.is_keyframe:
                    self._lost(packet.pts)
                    continue
                yield from self._whole(self._decoded(None))
                self._stream.codec_context.flush_buffers()  # HEVC refuses all that is behind a hole otherwise
                self._is_waiting, self._until = False, packet.pts
            yield from self._whole(self._decoded(packet))

    def _decoded(self, packet: "Packet[VideoStream] | None") -> list["VideoFrame"]:
        """None: what the decoder still holds."""
        import av

        try:
            return self._stream.codec_context.decode(packet)
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError:
            if packet is not None:
                self._lost(packet.pts)
                self._is_waiting, self._from, self._until = True, packet.pts, None
            return []

    def _whole(self, pictures: Iterable["VideoFrame"]) -> Iterator["VideoFrame"]:
        for picture in pictures:
            if picture.pts is not None and picture.pts == self._from:
                continue  # which was told; some decoders give out what they have of it
            if picture.is_corrupt or self._leans_on_loss(picture.pts):
                self._lost(picture.pts)
            else:
                yield picture

    def _leans_on_loss(self, stamp: int | None) -> bool:
        """Whether a picture is shown before the key frame and comes after it: one of an open group of pictures
        leans on both sides."""
        if stamp is None or self._from is None or self._until is None:
            return False
        return self._from <= stamp < self._until
