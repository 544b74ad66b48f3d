"""What each way of running costs and gives here: docs/howto/cluster.md.

Rounds are interleaved; rates and fixed costs come from a small and a large folder, medians over the rounds.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from of3.runtime.commands.flags import parse
from of3.runtime.logs.folder import FOLDER, Mode
from of3.runtime.pipeline import Pipeline
from of3.runtime.runs.shards.merge import merge
from of3.runtime.runs.shards.plan import replace_plan
from of3.runtime.runs.shards.planning import asked_of, planned
from of3.runtime.runs.shards.results import Part, whole
from of3.runtime.runs.shards.work import ShardSession
from tools.bench.command import REPOSITORY, of3, of3_run
from tools.bench.page import machine, table
from tools.bench.pictures import make_pictures
from tools.bench.timing import interleaved_s, time_s

FEW = 40  # pictures of the small folder


@dataclass(frozen=True, slots=True)
class Way:
    """How a folder is run."""

    name: str
    flags: str = ""  # of `of3 run`
    cores: int = 2  # that it keeps busy

    def run(self, folder: Path, root: Path) -> None:
        print(f"scale: {self.name}, {folder.name}", file=sys.stderr)
        pinned = ["taskset", "-c", "0"] if self.cores == 1 else []
        with tempfile.TemporaryDirectory() as logs:
            quietly([*pinned, *of3_run(folder, logs, root, self.flags.split())])
            if "--shard" in self.flags:
                quietly(of3("merge", "--logs", logs))


WAYS = (
    Way("`of3 run` on one core", cores=1),
    Way("`of3 run`"),
    Way("`--shard 0/1`, then `of3 merge`", "--shard 0/1"),
    Way("`--executor local --workers 1`", "--executor local --workers 1"),
    Way("`--executor local --workers 2`", "--executor local --workers 2"),
    Way("`--executor ray --workers 2`", "--executor ray --workers 2"),
)


def quietly(command: Sequence[str]) -> None:
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measured(root: Path, work: Path, images: int, rounds: int) -> Mapping[Way, tuple[float, float]]:
    """Pictures a second once it runs, and the seconds before and after."""
    folders = {count: work / f"aligned_512_{count}" for count in (FEW, images)}
    for count, folder in folders.items():
        make_pictures("aligned_512", root, folder, count)
    steps = {(way, count): partial(way.run, folder, root) for way in WAYS for count, folder in folders.items()}
    taken = interleaved_s(steps, rounds)
    figures = {}
    for way in WAYS:
        few_s, all_s = (statistics.median(taken[way, count]) for count in folders)
        rate = (images - FEW) / (all_s - few_s)
        figures[way] = rate, few_s - FEW / rate
    return figures


def manifest_s(work: Path, count: int) -> float:
    """Seconds to list a million pictures, by `count` files in one folder, sizes and times looked at."""
    folder = work / f"listed_{count}"
    if not folder.exists():
        folder.mkdir(parents=True)
        for number in range(count):
            (folder / f"face_{number * 7919 % count:08d}.jpg").touch()
    with tempfile.TemporaryDirectory() as logs:
        return 1e6 / count * time_s(lambda: quietly(of3("manifest", "--aligned", folder, "--logs", logs)))


def merge_s(root: Path, work: Path, count: int) -> tuple[float, float]:
    """Seconds to merge a million rows, and bytes of all that is kept of a picture, without its own files."""
    with tempfile.TemporaryDirectory() as scratch:
        where = ("--aligned", str(work / f"listed_{count}"), "--logs", scratch, "--of3_root", str(root))
        flags = ("--device", "cpu", "--per_image", "off", "--no_calib", "on")
        options = parse([*where, *flags], "of3 run").options()
        logs = Path(scratch) / FOLDER
        logs.mkdir()
        plan = replace_plan(logs, planned(options, logs, 1, Mode(), asked_of(options)).folder)
        with ShardSession(options, plan) as session, Pipeline.open(options.bundle) as pipeline:
            (record,) = pipeline.run([next((work / f"aligned_512_{FEW}").iterdir())])
            made = session.session.made_with()
        pinned = plan.pinned()
        assert pinned is not None
        for shard in range(plan.shards):
            part = Part(pinned.run)
            for item in plan.items(shard):
                part.add(part.entries([(item, replace(record, source=item.path))]))
            part.publish(plan, whole(plan, shard), made, 0.0, 1.0)
        taken_s = time_s(lambda: merge(plan))
        kept = sum(path.stat().st_size for path in logs.rglob("*") if path.is_file())
    return taken_s * 1e6 / count, kept / count


def way_cells(figures: Mapping[Way, tuple[float, float]]) -> Iterator[Sequence[str]]:
    core, single = (rate for way, (rate, _) in figures.items() if not way.flags)
    for way, (rate, fixed_s) in figures.items():
        efficiency = rate / way.cores / core
        cells = (f"{rate:.1f}", f"{rate / single:.2f}", f"{efficiency:.2f}", f"{fixed_s:.1f}")
        yield way.name, str(way.cores), *cells


def main() -> int:
    made = argparse.ArgumentParser(prog="python -m tools.bench.scale", description=__doc__)
    made.add_argument("--of3_root", type=Path, required=True)
    made.add_argument("--images", type=int, default=2000)
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--listed", type=int, default=200_000, help="pictures of the manifest and the merge")
    made.add_argument("--work", type=Path, default=Path(".cache/scale"), help="scratch folder (.cache/scale)")
    given = made.parse_args()
    work, root = given.work.resolve(), given.of3_root.resolve()
    figures = measured(root, work, given.images, given.rounds)
    listing_s = manifest_s(work, given.listed)
    merging_s, kept_bytes = merge_s(root, work, given.listed)
    head = (
        f"{given.images} crops of 512 px",
        "cores",
        "images/s",
        "of `of3 run`",
        "efficiency",
        "fixed cost, s",
    )
    million = (
        ("`of3 manifest`, local disk", f"{listing_s:.0f} s"),
        ("`of3 merge`", f"{merging_s:.0f} s"),
        ("records, parts, manifest, tables", f"{kept_bytes:.0f} MB"),
    )
    print(f"{machine()}; medians of {given.rounds} interleaved rounds; **stand-in weights**.\n")
    print(table(head, way_cells(figures)))
    print("\nEfficiency: of as many times one core's images/s as there are cores.\n")
    print(table(("one process, for a million images", ""), million))
    return 0


if __name__ == "__main__":
    sys.exit(main())
