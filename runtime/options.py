"""The command line of `of3 run` and of the drop-in script: one table of flags, one frozen record."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from of3.runtime import MAX_PIXELS
from of3.runtime.arguments import ON_OFF_WORDS, count, count_or_auto, on_off, positive, share
from of3.runtime.types import RunError

REQUIRED = ("aligned", "logs", "of3_root")

DESCRIPTION = """\
PURPOSE
  Run OpenFace 3.0 on face crops: gaze (yaw, pitch), emotion (softmax and top label) and eight action units
  (AU1,2,4,6,9,12,25,26); detection first with --skip_detect off; 98 or 68 landmarks with --landmarks on.
  Runs a bundle made once by `of3 export`; PyTorch is not needed.

LOG OUTPUT
  <logs>/openface3/openface3.csv         one row per image (append mode; header written if file is new)
  <logs>/openface3/openface3_full.csv    with --extra_csv on: all eight AUs, top-k emotions
  <logs>/openface3/per_image/<stem>.tsv  with --per_image on: gaze, AU vector, emotion logits
  <logs>/openface3/per_image/<stem>.landmarks.json and .pts  with --landmarks on
  <logs>/openface3/au_info.json          AU order, how it was calibrated, and its cache
  <logs>/openface3/run.json              versions, flags, engines and why, counts, speed
  <logs>/openface3/errors.tsv            path, stage and reason of every image that failed
"""
EPILOG = """\
on|off also takes 1, 0, true, false, yes, no, y, n in any case.
Exit status: 0 done (failed images are rows with success 0), 1 the logs cannot be written,
2 no images, missing weights or bundle, no engine, wrong flags, another run writes there;
130, 143 interrupted or terminated: the pictures at work are written, --resume on goes on.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """Every flag, defaults filled in."""

    aligned: str
    logs: Path
    of3_root: Path
    weights: Path
    bundle: Path
    override: bool
    resume: bool
    retry_failed: bool
    device: str
    engine: str
    require: bool
    amp: bool
    dtype: str
    tf32: bool
    max_pixels: int
    reject_damaged: bool
    batch: int  # 0: auto
    workers: int  # 0: auto
    executor: str  # "": this process
    ray_address: str  # "": a cluster of this run's own
    shard: tuple[int, int] | None  # which of how many; None: all
    shard_size: int  # 0: auto
    skip_detect: bool
    detector_resize: float
    gaze_order: str
    th_smile: float
    th_mouth: float
    no_calib: bool
    calib_cache: bool
    calib_guard: bool
    per_image: bool
    extra_csv: bool
    csv_emotion_topk: int
    landmarks: bool
    landmarks_fmt: str


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A parsed command line: the flags that were asked for besides the run, and the run's own if complete."""

    print_help: bool
    write_help: bool
    missing: tuple[str, ...]
    namespace: argparse.Namespace

    def options(self) -> Options:
        """Raises RunError when a required flag is missing."""
        if self.missing:
            raise RunError(f"missing {', '.join(self.missing)}")
        given = vars(self.namespace)
        root = Path(given["of3_root"] or ".")
        weights = Path(given["weights"] or root / "weights")
        derived = {
            "logs": Path(given["logs"]),
            "of3_root": root,
            "weights": weights,
            "bundle": Path(given["bundle"] or weights / "of3_bundle"),
            "amp": given["device"] == "cuda" if given["amp"] is None else given["amp"],
        }
        return Options(**{name: derived.get(name, given[name]) for name in Options.__slots__})


def parse(argv: Sequence[str], prog: str, required: Sequence[str] = REQUIRED) -> CommandLine:
    """Exits with status 2 and the usage on an unknown flag or value."""
    namespace = parser(prog).parse_args(argv)
    missing = tuple(f"--{name}" for name in required if getattr(namespace, name) is None)
    return CommandLine(namespace.print_help, namespace.help, missing, namespace)


def parser(prog: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog=prog,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
        usage="%(prog)s --aligned DIR --logs DIR --of3_root DIR [flags]",
    )
    _add_io(made)
    _add_compute(made)
    _add_scale(made)
    _add_detection(made)
    _add_behaviour(made)
    _add_extras(made)
    _add_help(made)
    return made


def _switch(group: argparse._ArgumentGroup, flag: str, default: bool | None, text: str) -> None:
    shown = {True: "on", False: "off", None: "on if cuda"}[default]
    group.add_argument(flag, type=on_off, default=default, metavar=ON_OFF_WORDS, help=f"{text} ({shown})")


def _add_io(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("input / IO")
    group.add_argument("--aligned", metavar="DIR", help="images to process, searched recursively (required)")
    group.add_argument("--logs", metavar="DIR", help="log root (required)")
    group.add_argument("--override", action="store_true", help="start the tables anew instead of appending")
    _switch(group, "--resume", False, "go on with the run in --logs: pictures it has done are skipped")
    _switch(group, "--retry_failed", False, "go on, and repeat the pictures that failed")
    group.add_argument(
        "--max_pixels",
        type=count,
        default=MAX_PIXELS,
        metavar="N",
        help=f"larger pictures fail before they are decoded ({MAX_PIXELS})",
    )
    _switch(group, "--reject_damaged", False, "damaged JPEGs fail, even where they can be decoded")
    group.add_argument("--of3_root", metavar="DIR", help="OpenFace-3.0 folder (required)")
    group.add_argument("--weights", metavar="DIR", help="weights (<of3_root>/weights)")
    group.add_argument("--bundle", metavar="DIR", help="exported bundle (<weights>/of3_bundle)")


def _add_compute(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("runtime / compute")
    group.add_argument(
        "--device", choices=("cuda", "cpu"), default="cuda", help="cuda falls back to cpu, saying why (cuda)"
    )
    group.add_argument(
        "--engine",
        choices=("auto", "tensorrt", "cuda", "cpu"),
        default="auto",
        help="best to begin with; those after it take over, saying why (auto: the best that opens)",
    )
    group.add_argument(
        "--require",
        action="store_true",
        help="no taking over: the engine asked for (auto: the best), or exit 2",
    )
    _switch(group, "--amp", None, "mixed precision; GPU only")
    group.add_argument(
        "--dtype", choices=("fp32", "fp16", "bf16"), default="bf16", help="precision with --amp on (bf16)"
    )
    _switch(group, "--tf32", True, "TF32 matrix products; GPU only")
    group.add_argument(
        "--batch", type=count_or_auto, default=0, metavar="N|auto", help="faces per network run (auto)"
    )
    group.add_argument(
        "--workers",
        type=count_or_auto,
        default=0,
        metavar="N|auto",
        help="decoding threads (auto: one a core); with --executor processes (auto: one a GPU, or a core)",
    )


def _add_scale(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("many cores, GPUs, machines (such a run is the same when repeated)")
    group.add_argument(
        "--executor",
        choices=("local", "ray"),
        default="",
        help="local: --workers processes on this machine; ray: on the machines of a Ray cluster (this process)",
    )
    group.add_argument(
        "--ray_address", default="", metavar="ADDRESS", help="auto, or HOST:PORT (a cluster of this run's own)"
    )
    group.add_argument(
        "--shard",
        type=share,
        metavar="i/n",
        help="do the i-th of n shares only; then `of3 merge` (all, merged)",
    )
    group.add_argument(
        "--shard_size", type=count_or_auto, default=0, metavar="N|auto", help="pictures of a shard (auto)"
    )


def _add_detection(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("detection")
    _switch(group, "--skip_detect", True, "take every image as a face crop")
    group.add_argument(
        "--detector_resize",
        type=positive,
        default=1.0,
        metavar="FLOAT",
        help="resize the detector's input; boxes stay in original pixels (1.0)",
    )


def _add_behaviour(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("thresholds & behaviour")
    group.add_argument(
        "--gaze_order",
        choices=("seed", "measured"),
        default="seed",
        help="which gaze output is yaw: the first, or as the export measured (seed)",
    )
    group.add_argument(
        "--th_smile", type=float, default=0.5, metavar="FLOAT", help="AU12 of a smile, from (0.5)"
    )
    group.add_argument(
        "--th_mouth", type=float, default=0.5, metavar="FLOAT", help="AU25 or AU26 of an open mouth, from (0.5)"
    )
    _switch(group, "--no_calib", False, "keep the documented AU order, measure nothing")
    _switch(group, "--calib_cache", True, "use the AU order stored in au_info.json")
    _switch(group, "--calib_guard", True, "adopt a measured AU order only when it is decisive")


def _add_extras(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("extras")
    _switch(group, "--per_image", True, "write per_image/<stem>.tsv")
    _switch(group, "--extra_csv", False, "write openface3_full.csv")
    group.add_argument(
        "--csv_emotion_topk",
        type=count,
        default=0,
        metavar="INT",
        help="label:prob pairs in openface3_full.csv, 0 none (0)",
    )
    _switch(group, "--landmarks", False, "save landmarks per image if the bundle has them")
    group.add_argument(
        "--landmarks_fmt", choices=("json", "pts", "both"), default="json", help="landmark files (json)"
    )


def _add_help(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("help")
    group.add_argument(
        "--help",
        type=on_off,
        nargs="?",
        const=True,
        default=True,
        metavar=ON_OFF_WORDS,
        help="write this text to a file, then proceed (on)",
    )
    group.add_argument("-h", "--h", dest="print_help", action="store_true", help="print this text and continue")
