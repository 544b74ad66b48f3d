"""A file -> its first video stream, ready to be decoded by PyAV (FFmpeg)."""

from io import BufferedReader
from typing import TYPE_CHECKING

from of3.runtime.patience import lost, patiently
from of3.runtime.types import PictureError, RunError
from of3.runtime.vision.images import regular_file

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video import VideoStream

# FFmpeg's names of what is read, however a file is called: in a list (ffconcat, HLS) it would find the paths of
# other files, and open those.
CONTAINERS = "mov,avi,matroska,webm,mpeg,mpegts,mpegvideo,m4v,asf,flv"
# What a decoder makes of an error: no frame, or one painted over with its neighbours' pixels.
STRICT, LENIENT = "explode", "0"


class VideoError(PictureError):
    """This video cannot be read, and why."""


def opened_file(path: str) -> BufferedReader:
    """FFmpeg never sees the path: it would take some for an address or a pattern.  Raises VideoError."""
    try:
        return patiently(lambda: regular_file(path))
    except OSError as error:
        raise VideoError(f"unreadable: {error.strerror}") from error
    except PictureError as error:
        raise VideoError(str(error)) from error


def version(extra: str = "video") -> str:
    """Of PyAV, with which comes FFmpeg: of others frames may have other pixels.

    extra: that brings it.  Raises RunError without it.
    """
    try:
        import av
    except ImportError as error:
        raise RunError(f"videos are read by PyAV ({error}): pip install 'of3[{extra}]'") from error
    return av.__version__


def opened_container(file: BufferedReader) -> "InputContainer":
    """Raises VideoError: not a video; RunError naming the extra to install; InputLost."""
    version()
    import av

    head = b""
    try:
        head = file.peek(12)
        if not head:
            raise VideoError("empty file")
        return av.open(file, "r", container_options={"format_whitelist": CONTAINERS}, metadata_errors="replace")
    except av.error.FFmpegError as error:
        if head[4:8] == b"ftyp":
            raise VideoError("unreadable: an MP4 without its index (moov), which is written last") from error
        raise VideoError(
            "unreadable: not an MP4, MOV, AVI, Matroska, WebM, MPEG, WMV or FLV, or damaged at its start"
        ) from error
    except OSError as error:
        raise lost(error) from error


def first_video(container: "InputContainer", max_pixels: int, strictness: str) -> "VideoStream":
    """max_pixels: of a frame.  Raises VideoError: there is none, or none that can be decoded."""
    from av.stream import Disposition

    videos = [one for one in container.streams.video if not one.disposition & Disposition.attached_pic]
    if not videos:
        kinds = sorted({str(stream.type) for stream in container.streams})
        raise VideoError(f"no video in it: got {', '.join(kinds) or 'no stream'}")
    stream = videos[0]
    if stream.codec_context is None:  # of a codec without a name
        raise VideoError("unreadable: FFmpeg has no decoder for its video")
    if stream.width * stream.height > max_pixels:
        raise VideoError(f"too large: got {stream.width} x {stream.height}, want at most {max_pixels} pixels")
    # max_pixels: of later frames that are larger; twice, as FFmpeg counts those of its own edges too.
    stream.codec_context.options = {"err_detect": strictness, "max_pixels": str(2 * max_pixels)}
    # With SLICE no error of H.264 comes through, with FRAME the later the more cores there are.  One thread
    # decodes 540 frames/s of 720p H.264, at least cost: 1.9 ms of a core for a frame, FRAME 2.2 (2026-11).
    stream.thread_type = "NONE"
    return stream
