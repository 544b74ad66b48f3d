"""What the records of a run cost, by made-up results: docs/howto/cluster.md.

Each step is a process of its own, whose peak memory is told.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from of3.runtime.bundle import documented_order
from of3.runtime.logs import folder as folders
from of3.runtime.logs.folder import FOLDER, Mode, RunLogs
from of3.runtime.logs.items import Item, Stamp
from of3.runtime.logs.made import OutputNames, Run
from of3.runtime.logs.rows import RowOptions
from of3.runtime.runs.render import render
from of3.runtime.types import RawValues, Record
from tools.bench.command import REPOSITORY
from tools.bench.page import machine, table

EMOTIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
UNITS = (1, 2, 4, 6, 9, 12, 25, 26)
NAMES = OutputNames(EMOTIONS, ("yaw", "pitch"), documented_order(UNITS))
RUN = Run({"flags": {}}, RowOptions(per_image=False), "/workspace/data_src/aligned", NAMES, {})
A_SECOND = 1000  # pictures of a transaction


def results(count: int) -> Iterator[tuple[Record, Item]]:
    """Whole pictures, as with --skip_detect on; paths of some 50 bytes."""
    values = np.random.default_rng(0).random((A_SECOND, 3, 8), np.float32)
    for number in range(count):
        logits, shares, presence = values[number % A_SECOND]
        path = f"{RUN.root}/session_{number // 1000:04d}/frame_{number:08d}.jpg"
        record = Record(
            path,
            EMOTIONS[int(shares.argmax())],
            dict(zip(EMOTIONS, shares.tolist(), strict=True)),
            {"yaw": float(logits[0]), "pitch": float(logits[1])},
            dict(zip(UNITS, presence.tolist(), strict=True)),
            RawValues(logits, logits[:2], presence),
            box=None,
            confidence=None,
            landmarks=None,
        )
        yield record, Item(path, Stamp(20_000 + number, 10**18 + number))


def written(folder: Path, count: int) -> dict[str, float]:
    """Main-thread time of the records and tables of a run."""
    folders.COMMIT_EVERY_S, folders.MOST_AT_ONCE = float("inf"), A_SECOND
    folder.mkdir(parents=True)
    spent_s = 0.0
    with RunLogs(folder, RUN, Mode()) as logs:
        for result, item in results(count):
            start_s = time.perf_counter()
            logs.add(logs.entries([(item, result)]))
            spent_s += time.perf_counter() - start_s
        start_s = time.perf_counter()
        logs.finish()
        spent_s += time.perf_counter() - start_s
    size = (folder / "records.sqlite").stat().st_size
    return {"ms a picture": 1e3 * spent_s / count, "bytes a picture": size / count}


def resumed(folder: Path, count: int) -> dict[str, float]:
    start_s = time.perf_counter()
    with RunLogs(folder, RUN, Mode(resume=True)) as logs:
        assert sum(1 for _ in logs.done()) == count
    return {"s a million": (time.perf_counter() - start_s) * 1e6 / count}


def rendered(folder: Path, count: int) -> dict[str, float]:
    start_s = time.perf_counter()
    render(folder, {"th_smile": 0.3})
    return {"s a million": (time.perf_counter() - start_s) * 1e6 / count}


STEPS: Mapping[str, Callable[[Path, int], dict[str, float]]] = {
    "written": written,
    "resumed": resumed,
    "rendered": rendered,
}


def main() -> int:
    made = argparse.ArgumentParser(prog="python -m tools.bench.stored", description=__doc__)
    made.add_argument("--rows", type=int, default=1_000_000)
    made.add_argument("--step", choices=STEPS, help="do one of them, in --folder (all, each in a process)")
    made.add_argument("--folder", type=Path)
    given = made.parse_args()
    if given.step:
        found = STEPS[given.step](given.folder, given.rows)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**found, "peak MB": peak_mb}))
        return 0
    print(f"{machine()}; {given.rows} rows.\n")
    with tempfile.TemporaryDirectory() as scratch:
        where = ["--rows", str(given.rows), "--folder", str(Path(scratch) / FOLDER)]
        for step in STEPS:
            command = [sys.executable, "-m", "tools.bench.stored", "--step", step, *where]
            said = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True).stdout
            found = json.loads(said.splitlines()[-1])
            print(table((step, ""), [(name, f"{value:.3g}") for name, value in found.items()]), "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
