"""Parity and speed of every engine and precision on this machine's GPU, beside PyTorch as it is used today, and
of whole runs: one Markdown table, line by line.

Whatever fails is a line that says why.  Each engine runs in a process of its own; plans are built in a copy of
the bundle, never in yours.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from of3.engines import machine, selfcheck
from of3.engines.bundle import Bundle
from of3.engines.manifest import read_bundle
from of3.engines.registry import CPU, CUDA, TENSORRT, Kind
from of3.engines.trt import libraries
from of3.runtime.bundle import is_published
from tools.bench.page import versions
from tools.gpu import whole_run
from tools.gpu.child import rows_of
from tools.gpu.row import Page, Row

BATCHES = (1, 8, 32, 64)
PYTORCH_BATCHES = ("1", "32")
MODELS = ("detector", "multitask", "landmarks")
PAGE = Path("docs/benchmarks_gpu.md")


def main() -> int:
    given = parse()
    with tempfile.TemporaryDirectory(prefix="of3-gpu-check-") as scratch:
        bundle = read_bundle(copied(given.of3_root / "weights" / "of3_bundle", Path(scratch) / "of3_bundle"))
        page = Page(given.out, "Engines on a GPU", about(bundle, given))
        for row in lines(bundle, given, Path(scratch), page):
            page.add(row)
    return 0


def parse() -> argparse.Namespace:
    made = argparse.ArgumentParser(prog="tools/gpu_check", description=__doc__)
    made.add_argument("--of3_root", type=Path, required=True, help="OpenFace-3.0 folder: weights and a bundle")
    made.add_argument("--out", type=Path, default=PAGE, help=f"table to write ({PAGE})")
    made.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    made.add_argument("--batches", nargs="+", type=int, default=list(BATCHES))
    made.add_argument("--seconds", type=float, default=2.0, help="of each point, at least (2)")
    made.add_argument("--pictures", type=int, default=20_000, help="of each whole run (20000)")
    made.add_argument(
        "--torch", default=sys.executable, metavar="PYTHON", help="one with of3[export], for PyTorch's lines"
    )
    return made.parse_args()


def copied(bundle: Path, folder: Path) -> Path:
    """The bundle without its plans, as links of its files where the file system has them."""
    folder.mkdir(mode=0o700)
    for path in bundle.iterdir():
        if path.is_file():
            try:
                os.link(path, folder / path.name)
            except OSError:
                shutil.copy(path, folder)
    return folder


def about(bundle: Bundle, given: argparse.Namespace) -> str:
    others = "**stand-in weights**" if bundle.is_stand_in else "**not the published weights**"
    weights = "the published weights" if is_published(bundle) else others
    return (
        f"GPU: {machine.describe_gpu()}; {platform.platform()}; {versions()}; {datetime.now(UTC):%Y-%m-%d}; "
        f"{weights}. Made by `tools/gpu_check`: the bundle's own pictures, the detector's at 1280x720; arrays "
        f"in, arrays out, {given.seconds:g} s a point at least; from fp32: the largest difference from the "
        "outputs that the export stored; whole runs from JPEGs of 224 px, their share of the best that their "
        "engine did alone."
    )


def lines(bundle: Bundle, given: argparse.Namespace, scratch: Path, page: Page) -> Iterator[Row]:
    """Everything there is to measure, in order; `page` has what was measured by then."""
    for library in libraries.LIBRARIES:
        yield built(bundle, library, max(given.batches))
    for model in given.models:
        yield from engines(bundle, model, given)
        yield from pytorch(model, given)
    yield from runs(bundle, given, scratch, page)


def built(bundle: Bundle, library: str, max_batch: int) -> Row:
    """All plans by one TensorRT, in the copy of the bundle."""
    flags = ("--bundle", str(bundle.folder), "--backend", library, "--max_batch", str(max_batch))
    start_s = time.monotonic()
    done = subprocess.run([*whole_run.COMMAND, "build", *flags], capture_output=True, text=True, check=False)
    took_s = time.monotonic() - start_s
    said = done.stderr.strip().splitlines()
    reasons = "; ".join(line for line in said if "error" in line.lower() or done.returncode == 2)
    note = f"{took_s:.0f} s" if done.returncode == 0 else f"exit {done.returncode}: {reasons or said[-1:]}"
    return Row("of3 build", library, note=note)


def engines(bundle: Bundle, model: str, given: argparse.Namespace) -> Iterator[Row]:
    """Every engine of one model in every precision; TensorRT's without its CUDA graphs too."""
    precisions = list(bundle.model(model).files)
    asked: list[tuple[Kind, str, tuple[str, ...]]] = [(CPU, "fp32", ())]
    asked += [(kind, precision, ()) for kind in (CUDA, TENSORRT) for precision in precisions]
    if not bundle.model(model).input.is_free:
        asked += [(TENSORRT, precision, ("--no_graphs",)) for precision in precisions]
    for kind, precision, flags in asked:
        command = [sys.executable, "-m", "tools.gpu.engine", "--bundle", str(bundle.folder), "--model", model]
        command += ["--kind", kind.name, "--precision", precision, "--seconds", str(given.seconds), *flags]
        yield from rows_of(f"{model} {precision}", [*command, "--batches", *map(str, given.batches)])


def pytorch(model: str, given: argparse.Namespace) -> Iterator[Row]:
    command = [given.torch, "-m", "tools.gpu.pytorch", "--of3_root", str(given.of3_root), "--models", model]
    command += ["--seconds", str(given.seconds), "--batches", *PYTORCH_BATCHES]
    yield from rows_of(f"{model} bf16, PyTorch", command)


def runs(bundle: Bundle, given: argparse.Namespace, scratch: Path, page: Page) -> Iterator[Row]:
    pixels = selfcheck.read_self_check(bundle.model("multitask")).pixels[..., ::-1]
    whole_run.write_pictures(scratch / "pictures", given.pictures, pixels)
    for number, (what, flags) in enumerate(whole_run.KINDS_OF_RUN.items()):
        logs = scratch / f"logs{number}"
        row = whole_run.run(what, flags, scratch / "pictures", given.of3_root, bundle.folder, logs)
        alone = whole_run.best_of(page.rows, row.runs_on)
        shutil.rmtree(logs, ignore_errors=True)
        yield replace(row, share=row.images_per_s / alone) if row.images_per_s and alone else row


if __name__ == "__main__":
    sys.exit(main())
