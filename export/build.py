"""`of3 build`: TensorRT plans from a bundle, once, on the machine that will run them."""

import argparse
import logging
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from of3.engines import cuda, trt
from of3.engines.base import EngineUnavailable
from of3.engines.bundle import Bundle, BundleError, read_bundle
from of3.engines.trt import TrtEngine
from of3.export.plan import PlanError, Target, build, capability, check_bf16, find_target

log = logging.getLogger(__name__)

ON_OFF = {"on": True, "off": False}
MAX_BATCH = 32
SIGNALLED = 128  # added to a signal's number, as shells do


def parse(argv: Sequence[str]) -> argparse.Namespace:
    made = argparse.ArgumentParser(
        prog="of3 build",
        description="Build TensorRT plans from an exported bundle, on the machine that will run them.",
        epilog="Exit status: 0 done, 1 a plan was not built, 2 no bundle, no TensorRT, no GPU or wrong flags.",
        allow_abbrev=False,
    )
    made.add_argument("--bundle", required=True, type=Path, metavar="DIR", help="bundle made by `of3 export`")
    made.add_argument(
        "--precision",
        type=_names,
        default=(),
        metavar="LIST",
        help="of fp32,fp16,bf16 (all that the bundle holds)",
    )
    made.add_argument(
        "--max_batch", type=_count, default=MAX_BATCH, metavar="N", help=f"faces per run at most ({MAX_BATCH})"
    )
    made.add_argument(
        "--tf32", choices=ON_OFF, default="off", help="round fp32 products to TF32; faster, less exact (off)"
    )
    made.add_argument("--backend", choices=trt.LIBRARIES, default="", help="(tensorrt, else tensorrt_rtx)")
    made.add_argument(
        "--compute_capability",
        type=_capabilities,
        default=(),
        metavar="LIST",
        help="with tensorrt_rtx: build for these, e.g. 8.0,8.6,8.9,12.0; needs no GPU (the GPU at hand)",
    )
    return made.parse_args(argv)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text}, want 1 or more")
    return int(text)


def _capabilities(text: str) -> tuple[str, ...]:
    for each in text.split(","):
        capability(each)
    return tuple(text.split(","))


def main(argv: Sequence[str]) -> int:
    logging.basicConfig(format="of3: %(message)s", stream=sys.stderr)
    logging.getLogger("of3").setLevel(logging.INFO)
    given = parse(argv)
    try:
        bundle = read_bundle(given.bundle)
        target = find_target(given.backend, given.compute_capability, given.max_batch, ON_OFF[given.tf32])
        wanted = _wanted(bundle, given.precision)
        if any(precision == "bf16" for _, precision in wanted):
            check_bf16(target)
        with _noted_signals() as received:
            failed = build_all(bundle, wanted, target, received)
    except (BundleError, EngineUnavailable) as error:
        log.error("%s", error)
        return 2
    except OSError as error:
        log.error("cannot write the plans: %s", error)
        return 1
    if received:
        log.error("interrupted; the plans so far are written")
        return SIGNALLED + received[0]
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


@contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """Those received are listed: an exception in one of TensorRT's callbacks would be lost in its C++."""
    received: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def build_all(
    bundle: Bundle, wanted: Sequence[tuple[str, str]], target: Target, received: Sequence[int]
) -> list[str]:
    """Build every plan and, where a GPU is at hand, try it; what went wrong, plan by plan.

    received: signals; the building stops at the first.
    """
    log.info("building with %s for %s", target.library, ", ".join(target.compute_capabilities))
    failed = []
    for model, precision in wanted:
        start = time.monotonic()
        name, is_quiet = f"{model} {precision}", not sys.stderr.isatty()
        with tqdm(desc=name, unit="step", leave=False, disable=is_quiet) as bar:
            monitor = progress_monitor(trt.library(target.library), bar, received)
            try:
                path = build(bundle, model, precision, target, monitor)
            except PlanError as error:
                failed.append(str(error))
                path = None
        if received:
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
        TrtEngine(bundle, model, precision, is_tf32_allowed=True).close()
    except EngineUnavailable as error:
        return f", but it does not open: {error}"
    return ", self-check passed"


def progress_monitor(library: Any, bar: "tqdm[Any]", received: Sequence[int]) -> Any:
    """A TensorRT IProgressMonitor that moves `bar`, and stops the build once a signal was received."""

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
            return not received

        def phase_finish(self, phase: str) -> None:
            pass

    return Monitor()
