"""An engine made of several: the best that opens runs, and the next takes over when it cannot go on."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from of3.engines.base import (
    BatchRefused,
    Engine,
    EngineFailed,
    EngineUnavailable,
    Floats,
    Outputs,
    Wait,
)
from of3.engines.registry import Kind

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An engine that may be opened."""

    kind: Kind
    precision: str
    open: Callable[[], Engine]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An engine that would have been preferred, and why it does not run."""

    engine: str  # its kind's name
    reason: str


class Fallback:
    """Contract: `of3.engines.base.Engine`.

    `run` may be called on several threads, where the engines' own may.  Never silent: `refusals` holds every
    reason, `batches` how many each engine did, by its name.

    Raises EngineUnavailable, listing every reason, when none opens.
    """

    def __init__(self, model: str, candidates: Sequence[Candidate]):
        self._model = model
        self._untried = list(candidates)
        self._opened: list[tuple[Candidate, Engine]] = []
        self.refusals: list[Refusal] = []
        self.batches: Counter[str] = Counter()
        self._refusing = set[str]()  # engines whose first refused batch was told
        self._changing = threading.RLock()
        self._at(0)

    @property
    def name(self) -> str:
        return self._at(0)[1].name

    @property
    def kind(self) -> Kind:
        return self._at(0)[0].kind

    @property
    def precision(self) -> str:
        return self._at(0)[0].precision

    @property
    def max_batch(self) -> int:
        return self._at(0)[1].max_batch

    @property
    def max_in_flight(self) -> int:
        return self._at(0)[1].max_in_flight

    def _at(self, rank: int) -> tuple[Candidate, Engine]:
        """The `rank`-th best engine, opened if it is not yet."""
        with self._changing:
            while len(self._opened) <= rank:
                self._open_next()
            return self._opened[rank]

    def _open_next(self) -> None:
        if not self._untried:
            reasons = "; ".join(f"{refusal.engine}: {refusal.reason}" for refusal in self.refusals)
            raise EngineUnavailable(f"no engine opens {self._model}: {reasons}")
        candidate = self._untried.pop(0)
        try:
            self._opened.append((candidate, candidate.open()))
        except EngineUnavailable as error:
            refusal = Refusal(candidate.kind.name, str(error))
            if refusal not in self.refusals:  # a missing library refuses every precision alike
                self.refusals.append(refusal)

    def start(self, batch: Floats) -> Wait:
        return self._start(batch, 0)

    def run(self, batch: Floats) -> Outputs:
        """On this thread, as the engine does: several may be at it where the engine's own `run` allows that."""
        engine = self._at(0)[1]
        return self._finished(engine, batch, partial(engine.run, batch))

    def _start(self, batch: Floats, rank: int) -> Wait:
        """Begin on the `rank`-th best engine; what it refuses goes to the next, what breaks it starts anew."""
        engine = self._at(rank)[1]
        try:
            started = engine.start(batch)
        except BatchRefused as error:
            return self._passed_on(engine, batch, error)
        except EngineFailed as error:
            self._drop(engine, error)
            return self._start(batch, 0)
        return partial(self._finished, engine, batch, started)

    def _finished(self, engine: Engine, batch: Floats, wait: Wait) -> Outputs:
        """The outputs of an engine that was given a batch, or of another where it cannot."""
        try:
            outputs = wait()
        except BatchRefused as error:
            return self._passed_on(engine, batch, error)()
        except EngineFailed as error:
            self._drop(engine, error)
            return self.run(batch)
        with self._changing:
            self.batches[engine.name] += 1
        return outputs

    def _passed_on(self, engine: Engine, batch: Floats, error: BatchRefused) -> Wait:
        """Begin a batch that `engine` refuses on the next.  Raises `error` where there is none."""
        with self._changing:
            ranks = [rank for rank, (_, other) in enumerate(self._opened) if other is engine]
            rank = ranks[0] + 1 if ranks else 0  # it was dropped since
            if ranks and not self._has_another(ranks[0]):
                raise error
            if engine.name not in self._refusing:
                self._refusing.add(engine.name)
                after = self._at(rank)[1].name
                log.warning("%s: %s; such batches run on %s (run.json counts them)", self._model, error, after)
        return self._start(batch, rank)

    def _has_another(self, rank: int) -> bool:
        try:
            self._at(rank + 1)
        except EngineUnavailable:
            return False
        return True

    def _drop(self, engine: Engine, error: EngineFailed) -> None:
        """Go on without `engine`.  Raises EngineFailed when it was the last."""
        with self._changing:
            if all(engine is not other for _, other in self._opened):
                return  # another batch in flight met the same failure before
            if len(self._opened) == 1 and not self._has_another(0):
                raise error
            ((candidate, _),) = [entry for entry in self._opened if entry[1] is engine]
            self._opened = [entry for entry in self._opened if entry[1] is not engine]
            engine.close()
            self.refusals.append(Refusal(candidate.kind.name, f"failed in mid-run: {error}"))
            log.warning("%s: %s; going on from this batch on %s", self._model, error, self.name)

    def close(self) -> None:
        for _, engine in self._opened:
            engine.close()
