"""A camera of this machine -> its frames, by PyAV (FFmpeg).

PyAV, not cv2.VideoCapture: it reads addresses too, so that there is one way for both; its errors have a number
(no such camera, no permission, busy) where OpenCV's say only that it did not open; and cameras that give
JPEGs or H.264 come as those, converted only where a frame is analysed.  FFmpeg reads them by V4L2 on Linux,
AVFoundation on macOS and DirectShow on Windows, which knows cameras by name: PyAV lists them in its order
(before 18 it fails to).  Tried on none: the machines that this was written on have no camera (2026-11).
"""

import errno
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from of3.runtime.settings import MAX_PIXELS
from of3.runtime.sources.clock import LiveClock
from of3.runtime.sources.container import VideoError
from of3.runtime.sources.frames import Frame
from of3.runtime.sources.live import Loss, Opened, StreamLost, reason_of
from of3.runtime.sources.video import pixels_of
from of3.runtime.types import RunError

if TYPE_CHECKING:
    from av import DeviceInfo
    from av.container import InputContainer

FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}  # FFmpeg's, by `sys.platform`
# AVFoundation's default, 29.97 frames/s, is one that no camera of a Mac has.
RATES = {"avfoundation": 30.0}
ABSENT, FORBIDDEN = (errno.ENOENT, errno.ENODEV, errno.ENXIO), (errno.EACCES, errno.EPERM)


class Camera:
    """Open.  Its frames have the time at which they arrive: what cameras stamp has no clock in common."""

    is_paced, silence_s = False, 10.0

    def __init__(
        self,
        index: int,
        size_px: tuple[int, int] | None = None,
        frames_per_s: float = 0.0,
        max_pixels: int = MAX_PIXELS,
    ):
        """size_px: None for the camera's own, as frames_per_s is where that is 0.

        Raises RunError: no such camera, or it cannot be opened, and what to do.
        """
        self.name = f"camera {index}"
        try:
            self._opened = Opened(_container(index, size_px, frames_per_s), max_pixels)
        except VideoError as error:
            raise RunError(f"{self.name}: {error}") from error
        except OSError as error:
            raise RunError(f"{self.name}: {_remedy(error, index)}") from error
        self.look = self._opened.look
        self.losses: list[Loss] = []

    def frames(self) -> Iterator[Frame]:
        """Raises StreamLost where the camera is gone."""
        clock = LiveClock()
        try:
            for number, picture in enumerate(self._opened.pictures()):
                yield Frame(number, *clock.after(None, time.monotonic()), partial(pixels_of, picture))
        except StreamLost as error:
            raise StreamLost(f"{self.name} is gone: {error}") from error
        raise StreamLost(f"{self.name} is gone: it sends no more")

    def close(self) -> None:
        self._opened.close()


def _container(index: int, size_px: tuple[int, int] | None, frames_per_s: float) -> "InputContainer":
    """Raises OSError, as all errors of FFmpeg's do; RunError: no way to cameras here."""
    import av

    kind = FORMATS.get(sys.platform)
    if kind is None:
        raise RunError(f"got {sys.platform}, want {', '.join(FORMATS)}: pass --url of a stream instead")
    options = dict[str, str]()
    if size_px is not None:
        options["video_size"] = f"{size_px[0]}x{size_px[1]}"
    if rate := frames_per_s or RATES.get(kind, 0.0):
        options["framerate"] = f"{rate:g}"
    try:
        return av.open(_address(kind, index), format=kind, container_options=options)
    except av.error.FFmpegError as error:
        raise OSError(error.errno, reason_of(error)) from error


def _address(kind: str, index: int) -> str:
    """How FFmpeg calls a camera."""
    if kind == "v4l2":
        return f"/dev/video{index}"
    if kind == "avfoundation":
        return str(index)
    there = cameras(kind)
    if index >= len(there):
        raise OSError(errno.ENODEV, "no such device")
    return f"video={there[index].name}"


def cameras(kind: str) -> "list[DeviceInfo]":
    """Those that are there, in FFmpeg's order.  kind: of `FORMATS`."""
    import av

    try:
        found = av.enumerate_input_devices(kind)
    except (av.error.FFmpegError, OSError):
        return []
    return [each for each in found if "video" in each.media_types or not each.media_types]


def _remedy(error: OSError, index: int) -> str:
    kind = FORMATS[sys.platform]
    if error.errno in ABSENT:
        there = [
            f"{_where(kind, place, each.name)} ({each.description})" for place, each in enumerate(cameras(kind))
        ]
        return f"no such camera ({_where(kind, index)}); there: {', '.join(there) or 'none'}"
    if error.errno in FORBIDDEN:
        allow = {
            "v4l2": "sudo usermod -aG video $USER, then log in anew (docker: --device)",
            "avfoundation": "allow the terminal the camera in the system's settings",
            "dshow": "allow desktop apps the camera in the system's settings",
        }
        return f"no permission to read it: {allow[kind]}"
    if error.errno == errno.EBUSY:
        return "another program holds it: close that"
    return f"{error.strerror}: pass a --camera_size and --camera_fps that it has, or another --device_index"


def _where(kind: str, index: int, path: str = "") -> str:
    """path: on Linux, where a camera's number need not be its place among all."""
    return (path or f"/dev/video{index}") if kind == "v4l2" else f"index {index}"
