"""Engines that break, on top of one that really runs."""

import numpy as np
import pytest

from of3.engines.base import BatchRefused, CpuThreads, EngineFailed, EngineUnavailable
from of3.engines.fallback import Candidate, Fallback
from of3.engines.manifest import read_bundle
from of3.engines.ort import OrtEngine
from of3.engines.registry import KINDS


class Breaking:
    """An engine that works until its `after`-th batch and then fails, when started or when waited for."""

    max_batch, max_in_flight = 8, 2

    def __init__(self, engine, after, late=False, error=EngineFailed):
        self.name = "breaking"
        self._engine, self._left, self._late, self._error = engine, after, late, error
        self.is_closed = False

    def start(self, batch):
        assert not self.is_closed
        self._left -= 1
        if self._left >= 0:
            return self._engine.start(batch)
        if not self._late:
            raise self._error("out of memory")
        return self._fail

    def _fail(self):
        raise self._error("out of memory")

    def run(self, batch):
        return self.start(batch)()

    def close(self):
        self.is_closed = True


def unavailable():
    raise EngineUnavailable("no GPU")


@pytest.fixture
def cpu(bundle_folder):
    opened = OrtEngine(read_bundle(bundle_folder), "multitask", "cpu", "fp32", CpuThreads(2))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def batches(standin_root):
    pictures = np.load(standin_root / "golden.npz")["multitask/input"]
    return [pictures[index : index + 1] for index in (0, 1, 2, 0)]


def fallback(*candidates):
    return Fallback("multitask", [Candidate(KINDS[kind], "fp32", opened) for kind, opened in candidates])


def test_the_first_that_opens_runs_and_the_others_are_told(cpu, batches):
    engine = fallback(("tensorrt", unavailable), ("cuda", unavailable), ("cpu", lambda: cpu))
    assert engine.kind.name == "cpu"
    assert engine.name == cpu.name
    assert [(refusal.engine, refusal.reason) for refusal in engine.refusals] == [
        ("tensorrt", "no GPU"),
        ("cuda", "no GPU"),
    ]
    np.testing.assert_array_equal(engine.run(batches[0])["au"], cpu.run(batches[0])["au"])


def test_one_reason_for_every_precision_is_told_once(cpu):
    engine = fallback(("cuda", unavailable), ("cuda", unavailable), ("cpu", lambda: cpu))
    assert len(engine.refusals) == 1


def test_when_none_opens_every_reason_is_in_the_error():
    with pytest.raises(EngineUnavailable, match="no engine opens multitask: tensorrt: no GPU; cuda: no GPU"):
        fallback(("tensorrt", unavailable), ("cuda", unavailable))


@pytest.mark.parametrize("late", [False, True], ids=["when started", "when waited for"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_failure_goes_on_from_the_failed_batch_on_the_next(cpu, batches, after, late, caplog):
    breaking = Breaking(cpu, after, late)
    engine = fallback(("tensorrt", lambda: breaking), ("cpu", lambda: cpu))
    assert engine.kind.name == "tensorrt"
    found = [engine.run(batch)["emotion_logits"] for batch in batches]
    np.testing.assert_array_equal(found, [cpu.run(batch)["emotion_logits"] for batch in batches])
    assert breaking.is_closed
    assert engine.kind.name == "cpu"
    assert "going on from this batch on onnxruntime" in caplog.text
    assert engine.refusals[-1].reason == "failed in mid-run: out of memory"


def test_two_batches_in_flight_are_both_done_again_and_told_once(cpu, batches, caplog):
    engine = fallback(("tensorrt", lambda: Breaking(cpu, 0, late=True)), ("cpu", lambda: cpu))
    waits = [engine.start(batch) for batch in batches[:2]]
    found = [wait()["au"] for wait in waits]
    np.testing.assert_array_equal(found, [cpu.run(batch)["au"] for batch in batches[:2]])
    assert len(engine.refusals) == 1
    assert caplog.text.count("going on") == 1


def test_the_last_engine_has_nobody_to_take_over(cpu, batches):
    engine = fallback(("cpu", lambda: Breaking(cpu, 0)))
    with pytest.raises(EngineFailed, match="out of memory"):
        engine.run(batches[0])


def test_no_falling_back_to_what_does_not_open(cpu, batches):
    engine = fallback(("tensorrt", lambda: Breaking(cpu, 0)), ("cuda", unavailable))
    with pytest.raises(EngineFailed, match="out of memory"):
        engine.run(batches[0])


def test_a_batch_an_engine_refuses_runs_on_the_next_and_the_first_stays(cpu, batches):
    picky = Breaking(cpu, 1, error=BatchRefused)
    engine = fallback(("tensorrt", lambda: picky), ("cpu", lambda: cpu))
    for batch in batches[:2]:
        np.testing.assert_array_equal(engine.run(batch)["au"], cpu.run(batch)["au"])
    assert engine.kind.name == "tensorrt"
    assert engine.refusals == []
    assert not picky.is_closed


@pytest.mark.parametrize("late", [False, True], ids=["when started", "when waited for"])
def test_what_is_refused_is_said_once_and_counted_by_engine(cpu, batches, late, caplog):
    picky = Breaking(cpu, 1, late, error=BatchRefused)
    engine = fallback(("tensorrt", lambda: picky), ("cpu", lambda: cpu))
    for batch in batches:
        engine.run(batch)
    (said,) = caplog.messages
    assert said.startswith("multitask: out of memory; such batches run on onnxruntime ")
    assert engine.batches == {"breaking": 1, cpu.name: len(batches) - 1}


def test_what_broke_in_mid_run_is_counted_where_it_was_done(cpu, batches):
    engine = fallback(("tensorrt", lambda: Breaking(cpu, 3, late=True)), ("cpu", lambda: cpu))
    for batch in batches:
        engine.run(batch)
    assert engine.batches == {"breaking": 3, cpu.name: 1}


def test_closing_closes_all_that_were_opened(cpu, batches):
    first, second = Breaking(cpu, 0, error=BatchRefused), Breaking(cpu, 9)
    engine = fallback(("tensorrt", lambda: first), ("cuda", lambda: second))
    engine.run(batches[0])
    engine.close()
    assert first.is_closed
    assert second.is_closed
