"""A long run over a small looped folder; memory, descriptors and threads sampled: soak.py --of3_root DIR.

Writes a CSV of samples; exit 1 where memory grew by more than 5 MB or a descriptor was left open.
"""

import argparse
import csv
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import cv2

from of3.export.pictures import draw_face
from of3.runtime.logs.journal import Item, stamp_of
from of3.runtime.logs.rows import RowOptions
from of3.runtime.logs.writer import Mode, RunLogs, Writer
from of3.runtime.pipeline import Pipeline

EVERY = 500  # pictures between samples
GROWTH_MB = 5.0


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
        folder = Path(scratch) / "in"
        folder.mkdir()
        paths = []
        for number in range(50):
            content = cv2.imencode(".jpg", draw_face(number, 224))[1].tobytes()
            path = folder / f"{number:02d}.jpg"
            path.write_bytes({8: content[:900], 9: b"none"}.get(number % 10, content))
            paths.append(str(path))
        out = Path(scratch) / "logs"
        out.mkdir()
        start = time.monotonic()
        pipeline, logs = Pipeline.open(root / "weights" / "of3_bundle"), RunLogs(out, RowOptions(), Mode())
        writer = Writer(out, str(folder), RowOptions())
        with pipeline, logs:
            for number, result in enumerate(pipeline.run(islice(cycle(paths), count)), 1):
                logs.add(writer.write(result, Item(result.source, stamp_of(result.source))))
                if number % EVERY == 0:
                    yield {"images": number, "seconds": time.monotonic() - start, **sample()}


def main() -> int:
    made = argparse.ArgumentParser(prog="tools/soak.py", description=__doc__)
    made.add_argument("--of3_root", type=Path, required=True)
    made.add_argument("--images", type=int, default=30_000)
    made.add_argument("--out", type=Path, default=Path("soak.csv"))
    given = made.parse_args()
    samples = list(soak(given.of3_root, given.images))
    with given.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, samples[0])
        writer.writeheader()
        writer.writerows({name: round(value, 1) for name, value in each.items()} for each in samples)
    tenth = max(1, len(samples) // 10)
    early, late = samples[tenth : 2 * tenth], samples[-tenth:]
    grown = {
        name: statistics.median(each[name] for each in late) - statistics.median(each[name] for each in early)
        for name in ("resident_mb", "descriptors", "threads")
    }
    print(f"{given.images} images, second tenth to last tenth: {grown}")
    return int(grown["resident_mb"] > GROWTH_MB or grown["descriptors"] > 0 or grown["threads"] > 0)


if __name__ == "__main__":
    sys.exit(main())
