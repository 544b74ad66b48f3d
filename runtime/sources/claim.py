"""How long a file says that its video is."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video import VideoStream

TAG = "DURATION"  # of Matroska, behind it a language: "00:00:02.500000000"
OF_TAG = re.compile(r"(\d+):(\d+):(\d+(?:\.\d*)?)")
MOV = "mov,mp4,m4a,3gp,3g2,mj2"


@dataclass(frozen=True, slots=True)
class Claim:
    end_s: float | None  # since the video's start
    frames: int | None  # that are to be shown
    is_of_all: bool = False  # end_s is the end of whichever stream ends last


def claim_of(container: "InputContainer", stream: "VideoStream", start_s: Fraction) -> Claim:
    """start_s: the time at which the video begins, as its stamps count."""
    frames, tagged_s = _frames(container, stream), _tagged_s(stream)
    if tagged_s is not None:
        # FFmpeg writes when the stream ends.  Of a program that writes its length this is too little: no whole
        # file is blamed.
        return Claim(_positive(tagged_s - start_s), frames)
    if stream.duration is not None and stream.time_base is not None:
        return Claim(_positive(stream.duration * stream.time_base), frames)
    if container.duration is None:
        return Claim(None, frames)
    end_s = Fraction(container.duration, 1_000_000) - start_s
    return Claim(_positive(end_s), frames, is_of_all(container, stream))


def is_of_all(container: "InputContainer", stream: "VideoStream") -> bool:
    """Whether the only length that is told is that of several streams."""
    return len(container.streams) > 1 and stream.duration is None and _tagged_s(stream) is None


def _positive(seconds: Fraction) -> float | None:
    return float(seconds) if seconds > 0 else None


def _frames(container: "InputContainer", stream: "VideoStream") -> int | None:
    if stream.frames and container.format.name == MOV:
        # Its header counts those too that an edit list hides, as of what was cut without being encoded anew.
        return sum(not entry.is_discard for entry in stream.index_entries) or None
    return stream.frames or None


def _tagged_s(stream: "VideoStream") -> Fraction | None:
    told = (text for name, text in stream.metadata.items() if name.partition("-")[0] == TAG)
    found = OF_TAG.fullmatch(next(told, ""))
    if found is None:
        return None
    hours, minutes, seconds = map(Fraction, found.groups())
    return 3600 * hours + 60 * minutes + seconds
