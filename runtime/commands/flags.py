"""The command line of `of3 run` and of the drop-in script: words -> options."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from of3.runtime.commands import arguments
from of3.runtime.commands.parser import Parser
from of3.runtime.options import COMMON, FLAGS, GROUPS, Flag, Options
from of3.runtime.settings import MAX_PIXELS, MAX_PIXELS_VARIABLE
from of3.runtime.types import RunError

REQUIRED = ("aligned", "logs", "of3_root")

DESCRIPTION = """\
PURPOSE
  Run OpenFace 3.0 on face crops: gaze (columns pose_yaw and pose_pitch, which
  are NOT the head's pose: the original's names), emotion (softmax and top
  label) and eight action units (AU1,2,4,6,9,12,25,26); detection first with
  --skip_detect off; 98 or 68 landmarks with --landmarks on.
  Runs a bundle made once by `of3 export`; PyTorch is not needed.

LOG OUTPUT, in <logs>/openface3
  openface3.csv         one row per image (append mode; header written if file
                        is new)
  openface3_full.csv    with --extra_csv on: all eight AUs, top-k emotions
  openface3_boxes.csv   with --extra_csv on: which face of how many, its box
                        and points
  openface3_faces.csv   with --faces all or N: a row a face, with head pose
                        where landmarks run
  per_image/<stem>.tsv  with --per_image on: gaze, AU vector, emotion logits
  per_image/<stem>.landmarks.json and .pts  with --landmarks on
  au_info.json          AU order, how it was calibrated, and its cache
  run.json              versions, flags, engines and why, counts, speed
  errors.tsv            path, stage and reason of every image that failed
"""
EPILOG = """\
on|off also takes 1, 0, true, false, yes, no, y, n in any case.
Exit status: 0 done (failed images are rows with success 0), 1 the logs cannot
be written, 2 no images, missing weights or bundle, no engine, wrong flags,
another run writes there; 130, 143 interrupted or terminated: the pictures at
work are written, --resume on goes on.
"""


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
        return options_of(vars(self.namespace))


def options_of(given: Mapping[str, Any]) -> Options:
    """Flags as they were given -> with what follows from others where they were not."""
    root = Path(given["of3_root"] or ".")
    weights = Path(given["weights"] or root / "weights")
    is_one = given["faces"] == "best"
    derived = {
        "logs": Path(given["logs"]),
        "of3_root": root,
        "weights": weights,
        "bundle": Path(given["bundle"] or weights / "of3_bundle"),
        "amp": given["device"] == "cuda" if given["amp"] is None else given["amp"],
        "skip_detect": is_one if given["skip_detect"] is None else given["skip_detect"],
        "detector_resize": given["detector_resize"] or (1.0 if is_one else "auto"),
    }
    return Options(**{name: derived.get(name, given[name]) for name in FLAGS})


def parse(argv: Sequence[str], prog: str, required: Sequence[str] = REQUIRED) -> CommandLine:
    """Exits with status 2 and the usage on an unknown flag or value."""
    namespace = parser(prog).parse_args(argv)
    missing = tuple(f"--{name}" for name in required if getattr(namespace, name) is None)
    return CommandLine(namespace.print_help, namespace.help, missing, namespace)


def parse_step(argv: Sequence[str], prog: str, text: str, required: Sequence[str]) -> CommandLine | int:
    """A command that takes the flags of a run; where there is nothing to do but to say so, the exit status.

    text: what the command does, for its help.
    """
    command = parse(argv, prog, required)
    if command.print_help or list(argv) == ["--help"]:
        made = parser(prog)
        flags = " ".join(f"--{name} DIR" for name in required)
        made.description, made.usage = text, f"%(prog)s {flags} [flags of the run]"
        print(made.format_help())
        return 0
    if command.missing:
        print(f"of3: missing {', '.join(command.missing)}: see {prog} -h", file=sys.stderr)
        return 2
    return command


def parser(prog: str) -> argparse.ArgumentParser:
    made = Parser(
        prog=prog,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
        usage="%(prog)s --aligned DIR --logs DIR --of3_root DIR [flags]",
    )
    add_flags(made, FLAGS, GROUPS, COMMON)
    _add_help(made.add_argument_group("help"))
    return made


def add_flags(
    made: argparse.ArgumentParser, flags: Mapping[str, Flag], groups: Mapping[str, str], common: Sequence[str]
) -> None:
    """groups: their titles, in the order of the help text.  common: what stands before them."""
    first = made.add_argument_group("most used")
    for name in common:
        _add(first, name, flags[name])
    titled = {title: made.add_argument_group(title) for title in dict.fromkeys(groups.values())}
    for group, title in groups.items():
        for name, flag in flags.items():
            if flag.group == group and name not in common:
                _add(titled[title], name, flag)


def _add(group: argparse._ArgumentGroup, name: str, flag: Flag) -> None:
    if flag.parse == "present":
        group.add_argument(f"--{name}", action="store_true", help=flag.text)
        return
    shown = {True: " (on)", False: " (off)", None: ""}
    group.add_argument(
        f"--{name}",
        type=arguments.READERS[flag.parse],
        nargs=None if flag.alone is None else "?",
        const=flag.alone,
        default=flag.default,
        choices=flag.choices or None,
        metavar=flag.metavar or arguments.METAVARS.get(flag.parse),
        help=flag.text + (shown[flag.default] if flag.parse == "on_off" else ""),
    )


def _add_help(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--help",
        type=arguments.on_off,
        nargs="?",
        const=True,
        default=True,
        metavar=arguments.METAVARS["on_off"],
        help="write this text to a file, then proceed (on)",
    )
    group.add_argument("-h", "--h", dest="print_help", action="store_true", help="print this text and continue")


def let_opencv_read(max_pixels: int) -> None:
    """OpenCV has a limit of its own, which it reads when it is imported, and which workers inherit."""
    if max_pixels > MAX_PIXELS:
        os.environ[MAX_PIXELS_VARIABLE] = str(max_pixels)
