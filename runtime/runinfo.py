"""run.json: what a run was made with, what ran it, and how it went."""

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from of3.engines import machine
from of3.runtime.files import replace_text
from of3.runtime.options import Options
from of3.runtime.pipeline import Pipeline
from of3.runtime.types import Failure, Record, RunBroken

FILE = "run.json"
DONE = "done"
# Flags that change no row: where, how fast, with whose bundle (its digest counts) and on how many threads.
NO_MATTER = {
    *("logs", "override", "resume", "retry_failed", "batch", "workers", "require"),
    *("weights", "bundle", "of3_root", "calib_cache"),
}


class RunInfo:
    """Counts results from its making on."""

    def __init__(self, pipeline: Pipeline, options: Options, images: int):
        """images: pictures that the run was given."""
        self._pipeline, self._options, self._images = pipeline, options, images
        self._skipped = self._damaged = 0
        self._started = datetime.now(UTC)
        self._start = time.monotonic()
        self._tally: Counter[str] = Counter()

    def count(self, result: Record | Failure) -> None:
        self._tally[result.reason.split(":")[0] if isinstance(result, Failure) else DONE] += 1
        self._damaged += isinstance(result, Record) and bool(result.damage)

    def skip(self) -> None:
        """A picture that the run gone on with has done."""
        self._skipped += 1

    def seen(self) -> int:
        return self._tally.total() + self._skipped

    def identity(self, au_to_index: Mapping[int, int]) -> dict[str, Any]:
        """What makes the rows: a run of another identity may not go on with this one."""
        flags = {name: _plain(value) for name, value in asdict(self._options).items() if name not in NO_MATTER}
        return {
            "of3": machine.packages()["of3"],
            "bundle": self._pipeline.bundle.digest,
            "flags": flags,
            "au": {str(au): index for au, index in au_to_index.items()},
        }

    def write(self, folder: Path, elapsed_s: float | None = None) -> None:
        """Replace run.json whole.  elapsed_s: of a finished run."""
        replace_text(folder / FILE, json.dumps(self._document(elapsed_s), indent=2) + "\n")

    def finish(self, folder: Path) -> None:
        """Raises RunBroken when not every picture was accounted for."""
        if self.seen() != self._images:
            raise RunBroken(
                f"got {self.seen()} results for {self._images} pictures: please report this as a bug"
            )
        self.write(folder, time.monotonic() - self._start)

    def summary(self) -> str:
        """The run as one line."""
        reasons = ", ".join(f"{reason} {count}" for reason, count in self._failed().most_common())
        names = sorted({engine.name for engine in self._pipeline.networks.engines.values()})
        rate = self._tally.total() / max(time.monotonic() - self._start, 1e-9)
        failed = f"failed {self._failed().total()}" + (f" ({reasons})" if reasons else "")
        skipped = f"skipped {self._skipped}, " if self._skipped else ""
        damaged = f" ({self._damaged} damaged)" if self._damaged else ""
        return f"done {self._tally[DONE]}{damaged}, {skipped}{failed}, {rate:.1f} images/s, {', '.join(names)}"

    def _failed(self) -> Counter[str]:
        return Counter({reason: count for reason, count in self._tally.items() if reason != DONE})

    def _document(self, elapsed_s: float | None) -> dict[str, Any]:
        bundle = self._pipeline.bundle
        total = self._tally.total()
        return {
            "started": self._started.isoformat(timespec="seconds"),
            "finished": elapsed_s is not None,
            "versions": machine.packages(),
            "flags": {name: _plain(value) for name, value in asdict(self._options).items()},
            "bundle": {
                "folder": str(bundle.folder),
                "sha256": bundle.digest,
                "stand_in": bundle.is_stand_in,
            },
            "gaze": list(self._pipeline.labels.gaze),
            "engines": {
                model: {
                    "runs": engine.name,
                    "kind": engine.kind,
                    "precision": engine.precision,
                    "refused": [asdict(refusal) for refusal in engine.refusals],
                }
                for model, engine in self._pipeline.networks.engines.items()
            },
            "counts": {
                "images": self._images,
                DONE: self._tally[DONE],
                "damaged": self._damaged,
                "skipped": self._skipped,
                "failed": dict(self._failed()),
            },
            "elapsed_s": None if elapsed_s is None else round(elapsed_s, 3),
            "images_per_s": None if not elapsed_s else round(total / elapsed_s, 2),
        }


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
