"""run.json: what a run was made with, what ran it, and how it went."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from of3.engines import machine
from of3.runtime.logs.counts import Counts
from of3.runtime.logs.files import replace_text
from of3.runtime.pipeline import Pipeline
from of3.runtime.types import RunBroken

FILE = "run.json"


@dataclass(frozen=True, slots=True)
class Processes:
    """How many of them share a run.  why: so many, where that was measured."""

    at_once: int = 1
    why: str = ""


ALONE = Processes()


def made_with(pipeline: Pipeline, before: Mapping[str, Counter[str]]) -> dict[str, Any]:
    """Versions, bundle and engines at work, as run.json has them.  before: batches that are not this run's."""
    bundle, batches = pipeline.bundle, pipeline.batches()
    return {
        "versions": machine.packages(),
        "bundle": {
            "folder": str(bundle.folder),
            "sha256": bundle.digest,
            "stand_in": bundle.is_stand_in,
            "weights": dict(bundle.weights),
            "gaze_measured": list(bundle.labels.gaze_measured),
        },
        "gaze": list(pipeline.labels.gaze),
        "engines": {
            model: {
                "runs": engine.name,
                "kind": engine.kind.name,
                "precision": engine.precision,
                "batches": dict(batches[model] - before.get(model, Counter())),
                "refused": [asdict(refusal) for refusal in engine.refusals],
            }
            for model, engine in pipeline.networks.engines.items()
        },
    }


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What is known of a run before its end."""

    flags: Mapping[str, Any]
    made: Mapping[str, Any]  # as `made_with` says
    images: int  # that the run was given
    started: datetime

    def write(
        self,
        folder: Path,
        counts: Counts | None = None,
        skipped: int = 0,
        elapsed_s: float | None = None,
    ) -> None:
        """Replace run.json whole.  skipped: had their row already.  elapsed_s: of a finished run.

        Raises RunBroken when a finished run does not account for every picture.
        """
        counts = counts or Counts()
        seen = counts.total + skipped
        if elapsed_s is not None and seen != self.images:
            raise RunBroken(f"got {seen} results for {self.images} pictures: please report this as a bug")
        text = json.dumps(self._document(counts, skipped, elapsed_s), indent=2) + "\n"
        replace_text(folder / FILE, text)

    def _document(self, counts: Counts, skipped: int, elapsed_s: float | None) -> dict[str, Any]:
        return {
            "started": self.started.isoformat(timespec="seconds"),
            "finished": elapsed_s is not None,
            "versions": self.made["versions"],
            "flags": self.flags,
            "bundle": self.made["bundle"],
            "gaze": self.made["gaze"],
            "engines": self.made["engines"],
            "processes": self.made.get("processes", asdict(ALONE)),
            "counts": counts.to_document(self.images, skipped),
            "elapsed_s": None if elapsed_s is None else round(elapsed_s, 3),
            "images_per_s": None if not elapsed_s else round(counts.total / elapsed_s, 2),
        }


def now() -> datetime:
    return datetime.now(UTC)
