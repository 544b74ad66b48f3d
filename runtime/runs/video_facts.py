"""What is known of a video besides its rows: video.json, and its lines in errors.tsv."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from of3.runtime.logs.files import replace_text
from of3.runtime.sources.frames import Frame
from of3.runtime.sources.video import Video
from of3.runtime.tracks.watched import WatchedFrame
from of3.runtime.types import Failure
from of3.runtime.vision.detect import NO_FACE


@dataclass(slots=True)
class Tally:
    """Grows with every frame that is watched."""

    frames: int = 0
    rows: int = 0  # of faces
    without_face: int = 0
    tracked: int = 0  # people
    last_frame: int = -1
    last_read: int | None = None  # the last whose pixels were there
    cuts_s: list[float] = field(default_factory=list)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)  # by stage and reason
    first_s: dict[tuple[str, str], float] = field(default_factory=dict)  # when each came first

    def count(self, frame: WatchedFrame) -> None:
        moment, failure = frame.moment, frame.failure
        self.frames += 1
        self.rows += len(frame.faces)
        self.without_face += not frame.faces
        self.tracked = max([self.tracked, *(face.face_id + 1 for face in frame.faces)])
        self.last_frame = moment.frame
        if failure is None or failure.stage != "read":
            self.last_read = moment.frame
        if frame.is_cut:
            self.cuts_s.append(round(moment.time_s, 6))
        if failure is not None and failure.reason != NO_FACE:
            self.failures[failure.stage, failure.reason] += 1
            self.first_s.setdefault((failure.stage, failure.reason), moment.time_s)

    def to_document(self) -> dict[str, Any]:
        return {
            "frames_analysed": self.frames,
            "faces": self.rows,
            "faces_tracked": self.tracked,
            "frames_without_a_face": self.without_face,
            "cuts_s": self.cuts_s,
        }

    def errors(self, path: str) -> Iterator[Failure]:
        """Why frames have no numbers, for errors.tsv."""
        for (stage, reason), count in self.failures.items():
            first_s = self.first_s[stage, reason]
            said = f"{count} frame{'s' * (count > 1)}, first at {first_s:.3f} s: {reason}"
            yield Failure(path, stage, said)


@dataclass(slots=True)
class Decoded:
    """How much of a video has been decoded."""

    frames: int = 0
    end_s: float = 0.0  # when the last of them was shown

    def counting(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self.frames, self.end_s = frame.number + 1, frame.time_s
            yield frame


@dataclass(frozen=True, slots=True)
class Facts:
    """What video.json holds."""

    path: str
    video: Video
    flags: Mapping[str, Any]
    made: Mapping[str, Any]  # as `runinfo.made_with` says
    tally: Tally
    decoded: Decoded

    def write(self, place: Path, elapsed_s: float | None = None, watched_s: float = 0.0) -> None:
        """elapsed_s: of this process, which watched so much of it; None where it has not come to the end."""
        replace_text(place, json.dumps(self._document(elapsed_s, watched_s), indent=2) + "\n")

    def _document(self, elapsed_s: float | None, watched_s: float) -> dict[str, Any]:
        info, tally, decoded, notes = self.video.info, self.tally, self.decoded, self.video.notes
        return {
            "path": os.path.abspath(self.path),
            "finished": elapsed_s is not None,
            "codec": info.codec,
            "width_px": info.width,
            "height_px": info.height,
            "rotation_deg": info.rotation_deg,
            "mirrored": info.is_mirrored,
            "frames_per_s": round(info.rate, 6),
            "claimed": {"frames": info.claimed_frames, "duration_s": info.claimed_s},
            "frames_decoded": decoded.frames,
            "duration_s": self._duration_s,
            **tally.to_document(),
            "notes": [asdict(note) for note in notes],
            "elapsed_s": None if elapsed_s is None else round(elapsed_s, 3),
            "times_real_time": round(watched_s / elapsed_s, 3) if elapsed_s else None,
            "versions": self.made["versions"],
            "bundle": self.made["bundle"],
            "gaze": self.made["gaze"],
            "engines": self.made["engines"],
            "flags": self.flags,
        }

    @property
    def _duration_s(self) -> float:
        """Of what has been decoded."""
        return round(self.decoded.end_s + 1 / self.video.info.rate, 6) if self.decoded.frames else 0.0

    def errors(self) -> Iterator[Failure]:
        """What errors.tsv tells of it, once it has come to its end."""
        if not self.tally.frames:
            yield Failure(self.path, "read", self._none())
        for note in self.video.notes:
            yield Failure(self.path, "read", f"{note.start_s:.3f} s to {note.end_s:.3f} s: {note.reason}")
        yield from self.tally.errors(self.path)

    def _none(self) -> str:
        """Why none of its frames was wanted."""
        start_s, end_s = self.flags["start"], self.flags["end"]
        if self.decoded.end_s < start_s:
            return f"ends at {self._duration_s:.3f} s, got --start {start_s:g}: pass an earlier one"
        return f"no frame from --start {start_s:g} on" + ("" if end_s is None else f", before --end {end_s:g}")

    def summary(self, elapsed_s: float, watched_s: float) -> str:
        """A video in one line of a terminal."""
        tally = self.tally
        people = f"{tally.tracked} face{'s' * (tally.tracked != 1)}"
        without = f", {tally.without_face} frames without one" if tally.without_face else ""
        missed = "" if tally.frames else f", {self._none()}"
        damaged = ", damaged (errors.tsv)" if self.video.notes else ""
        speed = f"{watched_s / max(elapsed_s, 1e-9):.1f} x real time"
        return f"{Path(self.path).name}: {tally.frames} frames, {people}{without}{missed}{damaged}, {speed}"
