"""Pictures analysed on the machines of a Ray cluster: `python examples/ray_actor.py BUNDLE FOLDER [ACTORS]`.

Each actor opens a pipeline once, where it lives: a pipeline is never sent.  For Ray Data the class is the same:
`ray.data.read_binary_files(folder).map_batches(Analyser, concurrency=4, fn_constructor_args=[bundle])`.
Needs `pip install 'of3[ray]'`.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray

import of3

BATCH = 32


class Analyser:
    """Files' bytes -> emotion and AU12 of each; empty and NaN where a picture failed."""

    def __init__(self, bundle: str):
        self._pipeline = of3.Pipeline.open(bundle)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        results = list(self._pipeline.run([bytes(content) for content in batch["bytes"]]))
        records = [result if isinstance(result, of3.Record) else None for result in results]
        return {
            "emotion": np.array([record.emotion if record else "" for record in records]),
            "au12": np.array([record.aus[12] if record else np.nan for record in records], np.float32),
        }


def main(bundle: str, paths: Sequence[Path], actors: int) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # "local": a cluster of this program's own, and never one that somebody else left running here.
    ray.init(os.environ.get("RAY_ADDRESS", "local"), log_to_driver=False, include_dashboard=False)
    remote: Any = ray.remote(Analyser)
    pool = [remote.remote(bundle) for _ in range(actors)]
    parts = [paths[first : first + BATCH] for first in range(0, len(paths), BATCH)]
    running = [
        pool[number % actors].__call__.remote({"bytes": [path.read_bytes() for path in part]})
        for number, part in enumerate(parts)
    ]
    for part, found in zip(parts, ray.get(running), strict=True):
        for path, emotion, au12 in zip(part, found["emotion"], found["au12"], strict=True):
            print(f"{path}\t{emotion}\tAU12 {au12:.2f}")
    ray.shutdown()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("folder", type=Path)
    parser.add_argument("actors", type=int, nargs="?", default=2)
    given = parser.parse_args()
    paths = sorted(given.folder.rglob("*.png"))
    if not paths:
        sys.exit(f"{given.folder}: no .png in it")
    main(given.bundle, paths, given.actors)
