"""`of3 build`: TensorRT plans from a bundle, once, on the machine that will run them."""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from of3.engines import cuda
from of3.engines.base import EngineUnavailable
from of3.engines.bundle import Bundle, BundleError
from of3.engines.trt import libraries
from of3.engines.trt.build import PlanError, Target, build, capability, check_bf16, find_target
from of3.engines.trt.choice import open_best
from of3.runtime.bundle import open_bundle
from of3.runtime.commands.arguments import METAVARS, on_off, precisions
from of3.runtime.commands.parser import Parser
from of3.runtime.runs.console import log_to_stderr
from of3.runtime.runs.interruption import Interrupted, Interruption

log = logging.getLogger(__name__)

MAX_BATCH = 32


def parse(argv: Sequence[str]) -> argparse.Namespace:
    made = Parser(
        prog="of3 build",
        description="Build TensorRT plans from an exported bundle, on the machine that will run them.",
        epilog="Exit status: 0 done, 1 a plan was not built, 2 no bundle, no TensorRT, no GPU or wrong flags.",
        allow_abbrev=False,
    )
    made.add_argument("--bundle", required=True, type=Path, metavar="DIR", help="bundle made by `of3 export`")
    made.add_argument(
        "--precision",
        type=precisions,
        default=(),
        metavar="LIST",
        help="of fp32,fp16,bf16 (all that the bundle holds)",
    )
    made.add_argument(
        "--max_batch", type=_count, default=MAX_BATCH, metavar="N", help=f"faces per run at most ({MAX_BATCH})"
    )
    made.add_argument(
        "--tf32",
        type=on_off,
        default=False,
        metavar=METAVARS["on_off"],
        help="round fp32 products to TF32; faster, less exact (off)",
    )
    made.add_argument(
        "--backend", choices=libraries.LIBRARIES, default="", help="(tensorrt, else tensorrt_rtx)"
    )
    made.add_argument(
        "--compute_capability",
        type=_capabilities,
        default=(),
        metavar="LIST",
        help="with tensorrt_rtx: build for these, e.g. 8.0,8.6,8.9,12.0; needs no GPU (the GPU at hand)",
    )
    return made.parse_args(argv)


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text}, want 1 or more")
    return int(text)


def _capabilities(text: str) -> tuple[str, ...]:
    for each in text.split(","):
        capability(each)
    return tuple(text.split(","))


def main(argv: Sequence[str]) -> int:
    log_to_stderr()
    given = parse(argv)
    try:
        bundle = open_bundle(given.bundle)
        target = find_target(given.backend, given.compute_capability, given.max_batch, given.tf32)
        wanted = _wanted(bundle, given.precision)
        if any(precision == "bf16" for _, precision in wanted):
            check_bf16(target)
        with Interruption() as interruption:
            failed = build_all(bundle, wanted, target, interruption)
            interruption.check()
    except (BundleError, EngineUnavailable) as error:
        log.error("%s", error)
        return 2
    except OSError as error:
        log.error("cannot write the plans: %s", error)
        return 1
    except Interrupted as ended:
        log.error("interrupted; the plans so far are written")
        return ended.status
    for reason in failed:
        log.error("%s", reason)
    return 1 if failed else 0


def _wanted(bundle: Bundle, precisions: Sequence[str]) -> list[tuple[str, str]]:
    """Models and precisions to build.  Raises BundleError when the bundle lacks one asked for."""
    for name, card in bundle.models.items():
        lacking = [precision for precision in precisions if precision not in card.files]
        if lacking:
            raise BundleError(
                f"{bundle.folder}: got {name} as {','.join(card.files)}, want {','.join(lacking)}: "
                "run `of3 export --force --precision ...`"
            )
    return [
        (name, precision)
        for name, card in bundle.models.items()
        for precision in card.files
        if precision in (precisions or card.files)
    ]


def build_all(
    bundle: Bundle, wanted: Sequence[tuple[str, str]], target: Target, interruption: Interruption
) -> list[str]:
    """Build every plan and, where a GPU is at hand, try it; what went wrong, plan by plan."""
    log.info("building with %s for %s", target.library, ", ".join(target.compute_capabilities))
    failed = []
    for model, precision in wanted:
        start = time.monotonic()
        name, is_quiet = f"{model} {precision}", not sys.stderr.isatty()
        with tqdm(desc=name, unit="step", leave=False, disable=is_quiet) as bar:
            monitor = progress_monitor(libraries.library(target.library), bar, interruption)
            try:
                path = build(bundle, model, precision, target, monitor)
            except PlanError as error:
                failed.append(str(error))
                path = None
        if interruption.came:
            break
        if path is not None:
            took_s, size_mb = time.monotonic() - start, path.stat().st_size / 1e6
            log.info("%s: %.1f MB in %.1f s%s", path, size_mb, took_s, _tried(bundle, model, precision))
    return failed


def _tried(bundle: Bundle, model: str, precision: str) -> str:
    """How the plan just written does on its self-check, where that can be tried."""
    try:
        cuda.find_gpu()
    except EngineUnavailable:
        return ", not tried: there is no GPU here"
    try:
        open_best(bundle, model, precision, tf32=True).close()
    except EngineUnavailable as error:
        return f", but it does not open: {error}"
    return ", self-check passed"


def progress_monitor(library: Any, bar: "tqdm[Any]", interruption: Interruption) -> Any:
    """A TensorRT IProgressMonitor that moves `bar`, and stops the build once a signal came.

    The signal is only noted: an exception in one of its callbacks would be lost in TensorRT's C++.
    """

    class Monitor(library.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            library.IProgressMonitor.__init__(self)
            self._outermost = ""

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            if not parent:
                self._outermost = phase
                bar.reset(steps)

        def step_complete(self, phase: str, step: int) -> bool:
            if phase == self._outermost:
                bar.update()
            return not interruption.came

        def phase_finish(self, phase: str) -> None:
            pass

    return Monitor()
