"""What each way of running costs and gives here, and what that says of many machines: docs/scale.md.

    python tools/bench_scale.py --of3_root DIR [--images 2000] [--rounds 3] [--work .cache/scale]

Rounds are interleaved; rates and fixed costs come from a small and a large folder, medians over the rounds.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import machine, make_pictures
from scale_model import Cluster, Outcome, simulate
from timing import time_s

from of3.engines.host import cores
from of3.runtime.logs.counts import Counts
from of3.runtime.logs.tables import joined
from of3.runtime.logs.writer import Mode, Writer
from of3.runtime.options import parse
from of3.runtime.pipeline import Pipeline
from of3.runtime.runs.session import row_options
from of3.runtime.runs.shards.merge import merge
from of3.runtime.runs.shards.plan import find_plan, replace_plan
from of3.runtime.runs.shards.results import ShardResult, whole, write_result
from of3.runtime.runs.shards.run import asked_of, planned
from of3.runtime.runs.shards.work import ShardSession
from of3.runtime.types import Record

FEW = 40  # pictures of the small folder
CORES_A_NODE = 64
START = "import sys; from of3.runtime.cli import main; sys.exit(main())"
# One picture after the other through the same pipeline, all cores on each: what a loop in a script does.
LOOP = """
import sys
from pathlib import Path
from of3.runtime.vision.images import find_images
from of3.runtime.logs.journal import stamp_of
from of3.runtime.logs.writer import Mode, RunLogs, Writer
from of3.runtime.pipeline import Pipeline
from of3.runtime.runs.session import row_options
from of3.runtime.logs.rows import RowOptions
from of3.runtime.settings import Settings
from of3.runtime.logs.journal import Item
aligned, root, logs = sys.argv[1:]
Path(logs).mkdir(parents=True)
rows = RowOptions()
with Pipeline.open(f"{root}/weights/of3_bundle", Settings(batch=1, parallel_runs=1)) as pipeline:
    with RunLogs(Path(logs), rows, Mode()) as tables:
        writer = Writer(Path(logs), aligned, rows)
        for path in find_images(aligned):
            (result,) = pipeline.run([path])
            tables.add(writer.write(result, Item(path, stamp_of(path))))
"""


@dataclass(frozen=True, slots=True)
class Way:
    """How a folder is run."""

    name: str
    cores: int  # that it keeps busy
    flags: Sequence[str] | None  # of `of3 run`; None: the plain loop
    before: Sequence[str] = ()  # the command

    def commands(self, folder: Path, root: Path, logs: Path) -> list[list[str]]:
        if self.flags is None:
            return [[sys.executable, "-c", LOOP, str(folder), str(root), str(logs)]]
        where = ["--aligned", str(folder), "--logs", str(logs)]
        more = ["--of3_root", str(root), "--device", "cpu", "--no_calib", "on", "--help", "off", *self.flags]
        merging = [[sys.executable, "-c", START, "merge", "--logs", str(logs)]] * ("--shard" in self.flags)
        return [[*self.before, sys.executable, "-c", START, "run", *where, *more], *merging]


WAYS = (
    Way("plain loop, a picture at a time", 2, None),
    Way("`of3 run` on one core", 1, (), ("taskset", "-c", "0")),
    Way("`of3 run`", 2, ()),
    Way("`--shard 0/1`, then `of3 merge`", 2, ("--shard", "0/1")),
    Way("`--executor local --workers 1`", 2, ("--executor", "local", "--workers", "1")),
    Way("`--executor local --workers 2`", 2, ("--executor", "local", "--workers", "2")),
    Way("`--executor ray --workers 2`", 2, ("--executor", "ray", "--workers", "2")),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """Pictures a second once it runs, and the seconds before and after."""

    way: Way
    rate: float
    fixed_s: float


@dataclass(frozen=True, slots=True)
class Rows:
    """What a million images cost beside their analysis; kept_bytes: of one of them."""

    manifest_s: float
    merge_s: float
    kept_bytes: float


def measured(root: Path, work: Path, images: int, rounds: int) -> list[Figure]:
    folders = {count: work / f"aligned_512_{count}" for count in (FEW, images)}
    for count, folder in folders.items():
        make_pictures("aligned_512", root, folder, count)
    taken: dict[tuple[str, int], list[float]] = {}
    for number in range(rounds):
        for way in WAYS:
            for count, folder in folders.items():
                print(f"bench_scale: round {number + 1}, {way.name}, {count} pictures", file=sys.stderr)
                taken.setdefault((way.name, count), []).append(once_s(way, folder, root))
    return [figure(way, taken, images) for way in WAYS]


def once_s(way: Way, folder: Path, root: Path) -> float:
    with tempfile.TemporaryDirectory() as scratch:
        commands = way.commands(folder, root, Path(scratch) / "logs")
        start = time.perf_counter()
        for command in commands:
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def figure(way: Way, taken: Mapping[tuple[str, int], Sequence[float]], images: int) -> Figure:
    few_s, all_s = (statistics.median(taken[way.name, count]) for count in (FEW, images))
    rate = (images - FEW) / (all_s - few_s)
    return Figure(way, rate, few_s - FEW / rate)


def manifest_s(work: Path, count: int) -> float:
    """Seconds to list a million pictures, by `count` files in one folder, sizes and times looked at."""
    folder = work / f"listed_{count}"
    if not folder.exists():
        folder.mkdir(parents=True)
        for number in range(count):
            (folder / f"face_{number * 7919 % count:08d}.jpg").touch()
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-c", START, "manifest", "--aligned", str(folder), "--logs", scratch]
        taken = time_s(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
    return taken * 1e6 / count


def merge_s(root: Path, work: Path, count: int) -> tuple[float, float]:
    """Seconds to merge a million rows, and bytes of all that is kept of a picture, without its own files."""
    with tempfile.TemporaryDirectory() as scratch:
        aligned = work / f"listed_{count}"
        required = ["--aligned", str(aligned), "--logs", scratch, "--of3_root", str(root), "--device", "cpu"]
        options = parse([*required, "--per_image", "off", "--no_calib", "on"], "of3 run").options()
        logs = Path(scratch) / "openface3"
        logs.mkdir()
        replace_plan(logs, planned(options, logs, 1, Mode(), asked_of(options)).folder)
        plan = find_plan(logs)
        assert plan is not None
        with ShardSession(options, plan) as session, Pipeline.open(options.bundle) as pipeline:
            (record,) = pipeline.run([str(next((work / f"aligned_512_{FEW}").iterdir()))])
            assert isinstance(record, Record)
            writer = Writer(logs, plan.root, row_options(options))
            for shard in range(plan.shards):
                items = plan.items(shard)
                chunks = [writer.write(replace(record, source=item.path), item) for item in items]
                counts, made = Counts(done=len(items)), (session.session.made_with(),)
                write_result(
                    plan,
                    ShardResult(whole(plan, shard), session.identity, joined(chunks), counts, made, 0.0, 1.0),
                )
        taken = time_s(lambda: merge(plan))
        kept = sum(path.stat().st_size for path in logs.rglob("*") if path.is_file())
    return taken * 1e6 / count, kept / count


def lines(figures: Sequence[Figure], rows: Rows, given: argparse.Namespace) -> Iterator[str]:
    """The page's tables."""
    yield f"{machine()}; medians of {given.rounds} interleaved rounds; **stand-in weights**."
    yield f"\n| {given.images} crops of 512 px | cores | images/s | of `of3 run` | efficiency | fixed cost, s |"
    yield "|---|---|---|---|---|---|"
    core, single = (figure.rate for figure in figures if figure.way.flags == ())
    for each in figures:
        ratios = f"{each.rate / single:.2f} | {each.rate / each.way.cores / core:.2f}"
        yield f"| {each.way.name} | {each.way.cores} | {each.rate:.1f} | {ratios} | {each.fixed_s:.1f} |"
    yield "\nEfficiency: of as many times one core's images/s as there are cores."
    yield "\n| one process, for a million images | |"
    yield "|---|---|"
    yield f"| `of3 manifest`, local disk | {rows.manifest_s:.0f} s |"
    yield f"| `of3 merge` | {rows.merge_s:.0f} s |"
    yield f"| parts, manifest, tables, journal | {rows.kept_bytes:.0f} MB |"
    local = next(figure for figure in figures if "local --workers 2" in figure.way.name)
    yield from model_lines(
        Cluster(
            nodes=1000,
            images=1e9,
            node_rate=local.rate / cores() * CORES_A_NODE,
            shard=1000,
            start_s=local.fixed_s,
            manifest_s=rows.manifest_s,
            merge_s=rows.merge_s,
            kept_bytes=rows.kept_bytes,
        )
    )


def model_lines(cluster: Cluster) -> Iterator[str]:
    yield (
        f"\nAssumed: {cluster.images:.0e} images, {cluster.image_bytes / 1e3:.0f} KB; nodes of {CORES_A_NODE} "
        f"cores at {cluster.node_rate:.0f} images/s (this machine's a core; not measured on such a node), "
        f"differing by {cluster.deviation:.0%} (standard deviation); a node fails once in "
        f"{cluster.failure_hours:.0f} h and is back after {cluster.repair_s / 60:.0f} min; shards of "
        f"{cluster.shard}; a shared file system of {cluster.storage_bytes_s / 1e9:.0f} GB/s and "
        f"{cluster.storage_files_s:.0f} files opened or made a second, {cluster.files_an_image:.0f} an image "
        "(its own, its .tsv); manifest and merge as measured above."
    )
    yield "\n| nodes | computing, h | efficiency | failures | storage, h | manifest, h | merge, h | longest |"
    yield "|---|---|---|---|---|---|---|---|"
    for nodes in (1, 10, 100, 1000):
        yield model_line(nodes, simulate(replace(cluster, nodes=nodes)))


def model_line(nodes: int, outcome: Outcome) -> str:
    seconds = (outcome.storage_s, outcome.manifest_s, outcome.merge_s)
    hours = " | ".join(f"{value / 3600:.1f}" for value in seconds)
    return (
        f"| {nodes} | {outcome.compute_s / 3600:.2f} | {outcome.efficiency:.3f} | {outcome.failures} "
        f"| {hours} | {outcome.first_limit} |"
    )


def main() -> int:
    made = argparse.ArgumentParser(prog="tools/bench_scale.py", description=__doc__)
    made.add_argument("--of3_root", type=Path, required=True)
    made.add_argument("--images", type=int, default=2000)
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--listed", type=int, default=200_000, help="pictures of the manifest and the merge")
    made.add_argument("--work", type=Path, default=Path(".cache/scale"), help="scratch folder (.cache/scale)")
    given = made.parse_args()
    work, root = given.work.resolve(), given.of3_root.resolve()
    figures = measured(root, work, given.images, given.rounds)
    listing_s = manifest_s(work, given.listed)
    merging_s, kept = merge_s(root, work, given.listed)
    print("\n".join(lines(figures, Rows(listing_s, merging_s, kept), given)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
