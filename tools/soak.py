"""A long run over a small looped folder; memory, descriptors and threads sampled.

Writes a CSV of samples, and a chart of it; exit 1 where memory grew by more than 5 MB or a descriptor was left
open.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from of3.export.pictures import draw_face
from of3.runtime.pipeline import Pipeline
from tools.bench import charts
from tools.bench.logs import open_logs
from tools.bench.pictures import jpeg

EVERY = 500  # pictures between samples
GROWTH_MB = 5.0
UNITS = {"resident_mb": "memory, MB", "descriptors": "descriptors", "threads": "threads"}


def sample() -> dict[str, float]:
    """Resident MB, open descriptors and threads of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "resident_mb": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
    }


def soak(root: Path, count: int) -> Iterator[dict[str, float]]:
    """Every picture is read, analysed and logged; good, damaged and bad ones in turn."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch) / "in", Path(scratch) / "logs"
        folder.mkdir()
        out.mkdir()
        for number in range(50):
            content = jpeg(draw_face(number, 224))
            content = {8: content[:900], 9: b"none"}.get(number % 10, content)
            (folder / f"{number:02d}.jpg").write_bytes(content)
        paths = islice(cycle(sorted(folder.iterdir())), count)
        start = time.monotonic()
        with (
            Pipeline.open(root / "weights" / "of3_bundle") as pipeline,
            open_logs(out, folder, pipeline.labels) as write,
        ):
            for number, result in enumerate(pipeline.run(paths), 1):
                write(replace(result, source=f"{result.source}.{number}"))  # as in a folder of them all
                if number % EVERY == 0:
                    yield {"images": number, "seconds": time.monotonic() - start, **sample()}


def main() -> int:
    made = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__)
    made.add_argument("--of3_root", type=Path, required=True)
    made.add_argument("--images", type=int, default=30_000)
    made.add_argument("--out", type=Path, default=Path("soak.csv"))
    given = made.parse_args()
    samples = list(soak(given.of3_root, given.images))
    rows = [samples[0].keys(), *([f"{round(value, 1)}" for value in each.values()] for each in samples)]
    given.out.write_text("".join(",".join(row) + "\n" for row in rows))
    charts.save(charts.soak(samples, UNITS), given.out.with_suffix(".svg"))
    tenth = max(1, len(samples) // 10)
    early, late = samples[tenth : 2 * tenth], samples[-tenth:]
    grown = {
        name: statistics.median(each[name] for each in late) - statistics.median(each[name] for each in early)
        for name in UNITS
    }
    print(f"{given.images} images, second tenth to last tenth: {grown}")
    return int(grown["resident_mb"] > GROWTH_MB or grown["descriptors"] > 0 or grown["threads"] > 0)


if __name__ == "__main__":
    sys.exit(main())
