"""What rows were made with."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from of3.runtime.logs.rows import RowOptions


@dataclass(frozen=True, slots=True)
class OutputNames:
    """What the numbers of the networks are, in their order."""

    emotions: tuple[str, ...]  # lower case
    gaze: tuple[str, ...]
    aus: Mapping[int, int]  # action unit -> output

    def as_named(self, measured: Sequence[str]) -> "OutputNames":
        """As the run's own tables call them.  measured: as of `as_measured`."""
        return self

    def as_measured(self, measured: Sequence[str]) -> "OutputNames":
        """With the gaze as mirrored pictures have shown it to be.  measured: as of `gaze_measured`."""
        return replace(self, gaze=tuple(measured)) if sorted(measured) == sorted(self.gaze) else self


@dataclass(frozen=True, slots=True)
class Run:
    """What all rows of a run share.

    identity: by which a run is known that may be gone on with.  root: the folder of pictures, which the names
    of per-image files are relative to.  au_info: as `au_info.json` has it.
    """

    identity: Mapping[str, Any]
    rows: RowOptions
    root: str
    names: OutputNames
    au_info: Mapping[str, Any]

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Session:
    """One process's work on a run.  made: `runinfo.made_with`; times in s since 1970."""

    made: Mapping[str, Any]
    started_s: float
    ended_s: float


def gaze_measured(sessions: Iterable[Session]) -> Sequence[str]:
    """What the gaze outputs are by the mirror test of the last session's bundle; empty: undetermined."""
    measured: Sequence[str] = ()
    for session in sessions:
        measured = session.made.get("bundle", {}).get("gaze_measured", measured)
    return measured


def run_of(text: str) -> Run:
    """What `Run.to_json` gave.  Raises ValueError, TypeError, KeyError, AttributeError or RecursionError."""
    fields = json.loads(text)
    names = fields["names"]
    aus = {int(unit): output for unit, output in names["aus"].items()}
    known = OutputNames(tuple(names["emotions"]), tuple(names["gaze"]), aus)
    run = Run(**{**fields, "rows": RowOptions(**fields["rows"]), "names": known})
    _check(run)
    return run


def _check(run: Run) -> None:
    """Raise ValueError unless every field is of its type."""
    texts = (run.root, run.rows.landmarks_fmt, *run.names.emotions, *run.names.gaze)
    numbers = (run.rows.th_smile, run.rows.th_mouth, run.rows.th_eyes)
    counts = (run.rows.csv_emotion_topk, run.rows.points, *run.names.aus.values())
    switches = (run.rows.per_image, run.rows.extra_csv, run.rows.eyes)
    if not (
        all(type(each) is dict for each in (run.identity, run.au_info))
        and all(type(each) is str for each in texts)
        and all(type(each) in (int, float) for each in numbers)
        and all(type(each) is int and each >= 0 for each in counts)
        and all(type(each) is bool for each in switches)
        and (run.rows.faces in ("best", "all") or (type(run.rows.faces) is int and run.rows.faces > 0))
    ):
        raise ValueError("not what a run is made with")
