"""What is known of a live run besides its rows: its JSON, its lines in errors.tsv and on the terminal."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from of3.runtime.logs.files import replace_text
from of3.runtime.runs.video_facts import Tally
from of3.runtime.sources.live import Look, Loss
from of3.runtime.types import Failure


@dataclass(slots=True)
class Latency:
    """Counted by whole milliseconds, so that a day needs no more memory than a minute."""

    counts: Counter[int] = field(default_factory=Counter)

    def count(self, latency_ms: float) -> None:
        self.counts[round(latency_ms)] += 1

    def at(self, share: float) -> int | None:
        """What so many of all are not above, in ms; None before the first."""
        wanted, seen = share * self.counts.total(), 0
        for latency_ms in sorted(self.counts):
            seen += self.counts[latency_ms]
            if seen >= wanted:
                return latency_ms
        return None

    def to_document(self) -> dict[str, int | None]:
        return {"median": self.at(0.5), "p95": self.at(0.95), "max": self.at(1.0)}


@dataclass(frozen=True, slots=True)
class LiveFacts:
    """What the JSON holds.  tally and latency grow."""

    source: str  # as it is told
    look: Look
    started: datetime
    flags: Mapping[str, Any]
    lsl: Mapping[str, Any] | None  # the stream's name and source_id
    losses: list[Loss]  # grow
    tally: Tally = field(default_factory=Tally)
    latency: Latency = field(default_factory=Latency)

    def write(
        self, place: Path, made: Mapping[str, Any], grabbed: int, elapsed_s: float, ended: str | None = None
    ) -> None:
        """made: as `runinfo.made_with` says.  ended: why it did; None where it goes on."""
        document = {
            "source": self.source,
            "started": self.started.isoformat(timespec="milliseconds"),
            "finished": ended is not None,
            "ended": ended,
            "codec": self.look.codec,
            "width_px": self.look.width_px,
            "height_px": self.look.height_px,
            "frames_grabbed": grabbed,
            "frames_dropped": grabbed - self.tally.frames,
            **self.tally.to_document(),
            "latency_ms": self.latency.to_document(),
            "losses": [asdict(loss) for loss in self.losses],
            "lsl": self.lsl,
            "elapsed_s": round(elapsed_s, 3),
            "frames_per_s": round(self.tally.frames / elapsed_s, 3) if elapsed_s else None,
            **{name: made[name] for name in ("versions", "bundle", "gaze", "engines")},
            "flags": self.flags,
        }
        replace_text(place, json.dumps(document, indent=2) + "\n")

    def errors(self) -> Iterator[Failure]:
        """What errors.tsv tells of it."""
        when = self.started.isoformat(timespec="seconds")
        for loss in self.losses:
            said = f"{when} + {loss.time_s:.3f} s: away for {loss.away_s:.1f} s: {loss.reason}"
            yield Failure(self.source, "read", said)
        for failure in self.tally.errors(self.source):
            yield Failure(failure.source, failure.stage, f"{when}: {failure.reason}")

    def line(self, grabbed: int, elapsed_s: float) -> str:
        """How it goes, for a terminal."""
        tally, dropped = self.tally, grabbed - self.tally.frames
        rate = tally.frames / max(elapsed_s, 1e-9)
        people = f"{tally.tracked} face{'s' * (tally.tracked != 1)}"
        late = f", latency {self.latency.at(0.5)} ms (95 %: {self.latency.at(0.95)})" if tally.frames else ""
        return f"{elapsed_s:.0f} s: {tally.frames} frames ({rate:.1f}/s), {dropped} dropped, {people}{late}"
