"""A camera or a stream, gone through: each frame's rows are in the table before the next frame is taken."""

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from of3.runtime.logs.columns import LIVE, Column, Value, texts
from of3.runtime.logs.known import Known
from of3.runtime.logs.tables import Table
from of3.runtime.pipeline import Pipeline
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.live_facts import LiveFacts
from of3.runtime.runs.outlet import Outlet
from of3.runtime.runs.runinfo import made_with
from of3.runtime.runs.session import or_run_broken
from of3.runtime.runs.watch import Watcher
from of3.runtime.sources.newest import Grabbed, Newest
from of3.runtime.tables.video_rows import rows_of, video_columns
from of3.runtime.tracks.watched import WatchedFrame
from of3.runtime.types import RunError

TELL_EVERY_S = 10.0
ASKED, OVER, AT_END = "asked to", "--seconds", "end of the recording"  # why it ended

log = logging.getLogger(__name__)


def live_columns(points: int) -> tuple[Column, ...]:
    """points: landmarks of a face, 0 where they do not run."""
    return (*video_columns(points), *LIVE)


class Ending:
    """When it is to end."""

    def __init__(self, interruption: Interruption, seconds: float):
        """seconds: from now on, infinite for never."""
        self._interruption = interruption
        self._end_s = time.monotonic() + seconds

    def is_near(self) -> bool:
        return bool(self.reason)

    @property
    def reason(self) -> str:
        """Empty where nobody asked."""
        if self._interruption.came:
            return ASKED
        return OVER if time.monotonic() >= self._end_s else ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rows go.  facts: a file.  lock: by which the folder is held."""

    table: Table
    columns: Sequence[Column]
    facts: Path
    outlet: Outlet | None
    lock: Known | None

    def add(self, rows: Sequence[Sequence[Value]], best: int, grabbed_s: float) -> None:
        """The rows of a frame, as `columns`.  Raises OSError.

        best: which of them LSL gets.  grabbed_s: as of a Grabbed.
        """
        for held in (self.table, self.lock):
            if held is not None:
                held.check_in_place()
        cells = list(texts(self.columns, rows))
        self.table.append(self.table.layout.text(cells))
        if self.outlet is not None:
            self.outlet.push(cells[best], grabbed_s)


class LivePass:
    """Goes through the frames once."""

    def __init__(self, pipeline: Pipeline, watcher: Watcher, newest: Newest, facts: LiveFacts, place: Place):
        self._pipeline, self._watcher, self._newest = pipeline, watcher, newest
        self._facts, self._place = facts, place
        self._before: Mapping[str, Counter[str]] = pipeline.batches()
        self._begun_s = self._told_s = time.monotonic()

    def go_on(self, ending: Ending, points: int) -> None:
        """To its end.  Raises StreamLost, RunBroken, OSError; what was written stays."""
        try:
            with or_run_broken():
                for grabbed in self._newest.until(ending.is_near):
                    self._add(self._watcher.watched(grabbed.frame), grabbed, points)
                    self._tell_now_and_then()
        except (RunError, OSError) as error:
            with suppress(OSError):  # what ended it is told, not what comes of it
                self.write_facts(str(error))
            raise
        self._place.table.sync()
        self.write_facts(ending.reason or AT_END)
        log.info("%s", self._line())

    def _add(self, frame: WatchedFrame, grabbed: Grabbed, points: int) -> None:
        rows, ranks = list(rows_of(frame, points)), [face.record.face for face in frame.faces] or [0]
        latency_ms = (time.monotonic() - grabbed.at_s) * 1000
        of_live: list[Value] = [latency_ms, grabbed.wall_s]
        self._place.add([[*row, *of_live] for row in rows], ranks.index(min(ranks)), grabbed.at_s)
        self._facts.tally.count(frame)
        self._facts.latency.count(latency_ms)

    def _tell_now_and_then(self) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            self.write_facts()
            log.info("%s", self._line())

    def write_facts(self, ended: str | None = None) -> None:
        """Raises OSError."""
        made = made_with(self._pipeline, self._before)
        self._facts.write(self._place.facts, made, self._newest.grabbed, self._elapsed_s, ended)

    def _line(self) -> str:
        return self._facts.line(self._newest.grabbed, self._elapsed_s)

    @property
    def _elapsed_s(self) -> float:
        return time.monotonic() - self._begun_s
