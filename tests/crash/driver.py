"""Runs a scenario again and again, stopped each time at the next call that changes a file, then completed.

Started with `stop.c` preloaded: driver.py ROOT FOLDER SCENARIO EVERY OFFSET.  Prints how many points there are
and what went wrong, as JSON.
"""

import ctypes
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from of3.runtime.commands.flags import parse
from of3.runtime.commands.run import executor_of
from of3.runtime.logs import folder as folders
from of3.runtime.logs.rows import ROWS
from of3.runtime.runs.job import log_folder
from of3.runtime.runs.lock import locked
from of3.runtime.runs.records import open_records
from of3.runtime.runs.render import render
from of3.runtime.runs.shards.merge import merge
from of3.runtime.runs.shards.plan import clear, find_plan
from of3.runtime.types import RunError

ROOT, WORK = Path(sys.argv[1]), Path(sys.argv[2])
LOGS, PICTURES = WORK / "logs", WORK / "in"
OUT = LOGS / "openface3"
NOT_COMPARED = {"run.json", "run.lock", "records.sqlite"}
STOPPED, REFUSED = 99, 2
Step = Callable[[], None]

stopper = ctypes.CDLL(None)
stopper.of3_seen.restype = ctypes.c_long
folders.COMMIT_EVERY_S, folders.MOST_AT_ONCE = 3600.0, 2  # two pictures a transaction, whatever the time


def make_pictures() -> None:
    for number, name in enumerate(("b.png", "sub/b.png", "none.png", "sub/a.png", "c.png")):
        path = PICTURES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (24, 24, 3), np.uint8)
        path.write_bytes(b"none" if name == "none.png" else cv2.imencode(".png", pixels)[1].tobytes())


def more_pictures() -> None:
    """One that comes first of all, one that changed, one more."""
    for name in ("a.png", "sub/b.png", "z.png"):
        shutil.copy(PICTURES / "c.png", PICTURES / name)


def run(*flags: str) -> None:
    required = ("--aligned", str(PICTURES), "--logs", str(LOGS), "--of3_root", str(ROOT))
    options = parse(
        [*required, "--device", "cpu", "--extra_csv", "on", "--no_calib", "on", *flags], "x"
    ).options()
    options = replace(options, engine="fake")
    executor_of(options)(options, log_folder(options))


def merged() -> None:
    with locked(OUT):
        clear(OUT)
        plan = find_plan(OUT)
        assert plan is not None
        merge(plan)


def rendered() -> None:
    render(OUT, {"th_smile": 0.1, "csv_emotion_topk": 3, "landmarks_fmt": "pts"})


def foreign() -> None:
    OUT.mkdir(parents=True)
    (OUT / "openface3.csv").write_text(",".join(ROWS.columns) + "\nmine,x,1,2,,,,,,,,,,,,1")


@dataclass(frozen=True)
class Scenario:
    """What was there before, what is stopped, and what somebody does then: again if that is refused."""

    before: tuple[Step, ...]
    stopped: Step
    then: Step
    otherwise: Step | None = None
    last: tuple[Step, ...] = ()  # once it is done


def running(*flags: str) -> Step:
    return partial(run, *flags)


RESUMED, SHARE = running("--resume", "on"), running("--shard", "0/1", "--shard_size", "2")
OTHER = ("--th_mouth", "0.9")
SCENARIOS = {
    "run": Scenario((), run, RESUMED),
    "resume": Scenario((run, more_pictures), RESUMED, RESUMED),
    "override": Scenario((running(*OTHER),), running("--override"), RESUMED, running("--override")),
    "append": Scenario((foreign,), run, RESUMED, run),
    "twice": Scenario((run,), running(*OTHER), running(*OTHER, "--resume", "on"), running(*OTHER)),
    "share": Scenario((), SHARE, SHARE, None, (merged,)),
    "merge": Scenario((SHARE,), merged, merged),
    "merge_after": Scenario(
        (run, more_pictures, running("--shard", "0/1", "--shard_size", "2", "--resume", "on")), merged, merged
    ),
    "render": Scenario((running("--landmarks", "on"),), rendered, rendered),
}


def files() -> dict[str, bytes]:
    return {
        str(path.relative_to(OUT)): path.read_bytes()
        for path in OUT.rglob("*")
        if path.is_file() and path.name not in NOT_COMPARED and path.relative_to(OUT).parts[0] != "plan"
    }


def known() -> list[tuple[str, str]]:
    with open_records(LOGS) as records:
        return [(result.source, type(result).__name__) for result in records]


def in_child(step: Step, at: int = 0, in_half: bool = False) -> tuple[int, int]:
    """Do a step in a process of its own; its exit status, and the calls that it made."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            stopper.of3_stop(os.fsencode(LOGS), ctypes.c_long(at), int(in_half))
            step()
            status = 0
        except RunError as error:
            status = REFUSED
            print(error, file=sys.stderr)
        finally:
            os.write(writing, str(stopper.of3_seen()).encode())
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as said:
        calls = int(said.read() or 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), calls


def fresh(scenario: Scenario) -> None:
    """The state in which it begins; made once, then copied."""
    kept = WORK / "before"
    if not kept.exists():
        make_pictures()
        for step in scenario.before:
            assert in_child(step)[0] == 0, step
        LOGS.mkdir(exist_ok=True)
        shutil.copytree(LOGS, kept / "logs")
        shutil.copytree(PICTURES, kept / "in")
    shutil.rmtree(LOGS, ignore_errors=True)
    shutil.copytree(kept / "logs", LOGS)


def completed(scenario: Scenario) -> str:
    """Do what somebody does then; what is wrong afterwards."""
    status, _ = in_child(scenario.then)
    if status == REFUSED and scenario.otherwise is not None:
        status, _ = in_child(scenario.otherwise)
    statuses = [status, *(in_child(step)[0] for step in scenario.last)]
    return "" if not any(statuses) else f"statuses {statuses}"


def main() -> None:
    scenario, every, offset = SCENARIOS[sys.argv[3]], int(sys.argv[4]), int(sys.argv[5])
    fresh(scenario)
    status, points = in_child(scenario.stopped)
    assert status == 0
    for step in scenario.last:
        assert in_child(step)[0] == 0
    want, want_known = files(), known()
    wrong, tried = [], 0
    for at in range(1 + offset % every, points + 1, every):
        for in_half in (False, True):
            fresh(scenario)
            status, _ = in_child(scenario.stopped, at, in_half)
            said = completed(scenario) if status == STOPPED else f"it ended with status {status}, not there"
            found = files()
            differing = sorted(name for name in want.keys() | found.keys() if want.get(name) != found.get(name))
            if said or differing or known() != want_known:
                wrong.append([at, in_half, said, differing[:5]])
            tried += 1
    print(json.dumps({"points": points, "tried": tried, "wrong": wrong}))


if __name__ == "__main__":
    main()
