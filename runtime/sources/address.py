"""A stream at an address -> its frames, by PyAV (FFmpeg); where it is lost it is tried again for a while."""

import logging
import time
from collections.abc import Iterator
from functools import partial
from math import inf
from urllib.parse import urlsplit

from of3.runtime.settings import MAX_PIXELS
from of3.runtime.sources.clock import LiveClock
from of3.runtime.sources.container import VideoError
from of3.runtime.sources.frames import Frame
from of3.runtime.sources.live import Loss, Opened, StreamLost, reason_of
from of3.runtime.sources.video import pixels_of
from of3.runtime.types import RunError

SCHEMES = ("rtsp", "rtsps", "http", "https", "udp", "rtp", "tcp", "rtmp", "rtmps", "srt")
# What a stream may lead on to.  Not `file`: a playlist could name files of this machine.
PROTOCOLS = "rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy,rtmp,rtmps,rtmpt,srt,hls,crypto,data"
ANSWER_S = 10.0  # a server that does not answer for so long is away
AGAIN_S = 0.5

log = logging.getLogger(__name__)


class Address:
    """Open.  One that has a length is a recording, which is played at its own pace and ends."""

    silence_s = inf  # its reader notices

    def __init__(self, url: str, patience_s: float, max_pixels: int = MAX_PIXELS):
        """patience_s: how long it is tried again once it is lost.  Raises RunError: it cannot be opened."""
        self._url, self._patience_s, self._max_pixels = url, patience_s, max_pixels
        self.name = shown(url)
        try:
            self._opened = self._open(ANSWER_S)
        except (StreamLost, VideoError) as error:
            raise RunError(f"{self.name}: {error}: is it up, is the address right?") from error
        self.look, self.is_paced = self._opened.look, self._opened.is_recording
        self.losses: list[Loss] = []

    def frames(self) -> Iterator[Frame]:
        """Raises StreamLost where it stays away, or a recording breaks off."""
        clock, number = LiveClock(), 0
        while True:
            reason = "it ended"
            try:
                for picture in self._opened.pictures():
                    moment = clock.after(self._stamp_s(picture.pts), time.monotonic())
                    yield Frame(number, *moment, partial(pixels_of, picture))
                    number += 1
            except StreamLost as error:
                if self.is_paced:
                    raise StreamLost(f"{self.name}: broke off: {error}") from error
                reason = str(error)
            if self.is_paced:
                return
            self._reopen(reason, clock.time_s)
            clock.forget()

    def _stamp_s(self, stamp: int | None) -> float | None:
        tick_s = self._opened.tick_s
        return None if stamp is None or tick_s is None else float(stamp * tick_s)

    def _reopen(self, reason: str, time_s: float) -> None:
        log.warning("%s: lost (%s): trying again for %g s", self.name, reason, self._patience_s)
        self._opened.close()
        lost_s, why = time.monotonic(), "not tried"
        while (left_s := self._patience_s - (time.monotonic() - lost_s)) > 0:
            try:
                self._opened = self._open(min(left_s, ANSWER_S))
                break
            except (StreamLost, VideoError) as error:
                why = str(error)
            time.sleep(min(left_s, AGAIN_S))
        else:
            raise StreamLost(f"{self.name}: lost ({reason}), and did not come back: {why}")
        away_s = time.monotonic() - lost_s
        self.losses.append(Loss(round(time_s, 6), round(away_s, 3), reason))
        log.warning("%s: back after %.1f s", self.name, away_s)

    def _open(self, answer_s: float) -> Opened:
        """answer_s: within which it is to answer at first.  Raises StreamLost, VideoError."""
        import av

        # Without FFmpeg's `nobuffer`: it throws away what was looked at to know the stream, with its first key
        # frame, and old frames cost nothing where the newest wins.
        options = {"protocol_whitelist": PROTOCOLS}
        if urlsplit(self._url).scheme in ("rtsp", "rtsps"):
            options["rtsp_transport"] = "tcp"  # by UDP a lost packet costs frames up to the next key frame
        try:
            container = av.open(
                self._url, container_options=options, timeout=(answer_s, ANSWER_S), metadata_errors="replace"
            )
        except av.error.ProtocolNotFoundError as error:
            raise StreamLost(f"PyAV's FFmpeg does not speak {urlsplit(self._url).scheme}") from error
        except (av.error.FFmpegError, OSError) as error:
            raise StreamLost(reason_of(error)) from error
        return Opened(container, self._max_pixels)

    def close(self) -> None:
        self._opened.close()


def is_address(text: str) -> bool:
    """Whether it is not a path.  Raises RunError: of a kind that is not read."""
    scheme, is_one, _ = text.partition("://")
    if is_one and scheme.lower() not in SCHEMES:
        raise RunError(f"got {shown(text)}, want {', '.join(SCHEMES)}, or the path of a file")
    return bool(is_one)


def shown(url: str) -> str:
    """Without what may be secret: user, password and what comes behind a question mark.

    Raises RunError, without the address: it is none.
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # whose words repeat the password
        raise RunError(
            "got an address whose host cannot be read, want scheme://host:port/path: close its brackets, "
            "and write @, : and / of a password as %40, %3A and %2F"
        ) from None
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}{parts.path}"
