"""run.json: what a run was made with, what ran it, and how it went."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from of3.engines import machine
from of3.runtime.files import replace_text
from of3.runtime.options import Options
from of3.runtime.pipeline import Pipeline
from of3.runtime.tally import Tally
from of3.runtime.types import RunBroken

FILE = "run.json"
# Flags that change no row: where, how fast, with whose bundle (its digest counts), with what threads, machines.
NO_MATTER = {
    *("logs", "override", "resume", "retry_failed", "batch", "workers", "require"),
    *("weights", "bundle", "of3_root", "calib_cache"),
    *("executor", "ray_address", "shard", "shard_size"),
}


def flags_of(options: Options) -> dict[str, Any]:
    """Every flag as JSON has it."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(options).items()}


def options_of(flags: Mapping[str, Any]) -> Options:
    """The options that `flags_of` was given, read back from JSON."""
    values = dict(flags)
    values.update({name: Path(values[name]) for name in ("logs", "of3_root", "weights", "bundle")})
    values["shard"] = tuple(values["shard"]) if values["shard"] else None
    return Options(**values)


def identity_of(flags: Mapping[str, Any], bundle_sha256: str) -> dict[str, Any]:
    """What makes the rows but for the AU order: a run of another identity may not go on with this one."""
    return {
        "of3": machine.packages()["of3"],
        "bundle": bundle_sha256,
        "flags": {name: value for name, value in flags.items() if name not in NO_MATTER},
    }


def made_with(pipeline: Pipeline) -> dict[str, Any]:
    """Versions, bundle and engines at work, as run.json has them."""
    bundle = pipeline.bundle
    return {
        "versions": machine.packages(),
        "bundle": {"folder": str(bundle.folder), "sha256": bundle.digest, "stand_in": bundle.is_stand_in},
        "gaze": list(pipeline.labels.gaze),
        "engines": {
            model: {
                "runs": engine.name,
                "kind": engine.kind,
                "precision": engine.precision,
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

    def write(self, folder: Path, tally: Tally, skipped: int, elapsed_s: float | None = None) -> None:
        """Replace run.json whole.  skipped: had their row already.  elapsed_s: of a finished run.

        Raises RunBroken when a finished run does not account for every picture.
        """
        seen = tally.total + skipped
        if elapsed_s is not None and seen != self.images:
            raise RunBroken(f"got {seen} results for {self.images} pictures: please report this as a bug")
        text = json.dumps(self._document(tally, skipped, elapsed_s), indent=2) + "\n"
        replace_text(folder / FILE, text)

    def _document(self, tally: Tally, skipped: int, elapsed_s: float | None) -> dict[str, Any]:
        counts = tally.to_document()
        return {
            "started": self.started.isoformat(timespec="seconds"),
            "finished": elapsed_s is not None,
            "versions": self.made["versions"],
            "flags": self.flags,
            "bundle": self.made["bundle"],
            "gaze": self.made["gaze"],
            "engines": self.made["engines"],
            "counts": {
                "images": self.images,
                "done": counts["done"],
                "damaged": counts["damaged"],
                "skipped": skipped,
                "failed": counts["failed"],
            },
            "elapsed_s": None if elapsed_s is None else round(elapsed_s, 3),
            "images_per_s": None if not elapsed_s else round(tally.total / elapsed_s, 2),
        }


def summary(tally: Tally, skipped: int, elapsed_s: float, made: Sequence[Mapping[str, Any]]) -> str:
    """A run as one line."""
    reasons = ", ".join(f"{reason} {count}" for reason, count in tally.failed.most_common())
    names = sorted({engine["runs"] for each in made for engine in each["engines"].values()})
    failed = f"failed {tally.failed.total()}" + (f" ({reasons})" if reasons else "")
    skips = f"skipped {skipped}, " if skipped else ""
    damaged = f" ({tally.damaged} damaged)" if tally.damaged else ""
    rate = tally.total / max(elapsed_s, 1e-9)
    return f"done {tally.done}{damaged}, {skips}{failed}, {rate:.1f} images/s, {', '.join(names)}"


def now() -> datetime:
    return datetime.now(UTC)
