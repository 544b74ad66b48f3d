"""`of3 video`: every face of every frame of videos.  Nothing heavy is imported before the flags are read."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from of3.runtime.commands.flags import add_flags, let_opencv_read, options_of
from of3.runtime.commands.parser import Parser
from of3.runtime.commands.status import status_of
from of3.runtime.options import FLAGS
from of3.runtime.video_options import OWN, SHARED, VIDEO_COMMON, VIDEO_FLAGS, VIDEO_GROUPS, VideoOptions

GOES_ON = "--resume on goes on from there"
REQUIRED = ("logs", "of3_root")
DESCRIPTION = """\
Run OpenFace 3.0 on videos (mp4, mov, avi, mkv, webm, m4v, mpg, wmv): every
face of every frame with its box, emotion, gaze, eight action units, 98
landmarks, head pose, eyes and blinks, and an id that stays with the person.

LOG OUTPUT of each video, in <logs>/openface3
  video/<stem>.csv      one row per frame and face; success 0 where a frame has
                        none
  video/<stem>.parquet  the same, typed, unrounded, with units, by --format
                        parquet or both
  video/<stem>.json     what the video is, what was found in it, how fast, made
                        with what
  video/<stem>.sqlite   its records, which --resume on goes on from
  errors.tsv            videos that cannot be read, and what is damaged in
                        others, by time
"""
EPILOG = """\
on|off also takes 1, 0, true, false, yes, no, y, n in any case.
Exit status: 0 done (videos that cannot be read stand in errors.tsv), 1 the logs
cannot be written, 2 no video, missing weights or bundle, no engine, wrong
flags, another run writes there; 130, 143 interrupted or terminated: what is
analysed is written, --resume on goes on.
"""


def parser() -> argparse.ArgumentParser:
    made = Parser(
        prog="of3 video",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        usage="%(prog)s INPUT... --logs DIR --of3_root DIR [flags]",
    )
    made.add_argument("inputs", nargs="+", metavar="INPUT", help="videos, and folders to search for some")
    add_flags(made, VIDEO_FLAGS, VIDEO_GROUPS, VIDEO_COMMON)
    return made


def parse(argv: Sequence[str]) -> VideoOptions:
    """Exits with status 2 and the usage on an unknown or missing flag."""
    made = parser()
    given = vars(made.parse_args(argv))
    if missing := [f"--{name}" for name in REQUIRED if given[name] is None]:
        made.error(f"missing {', '.join(missing)}")
    options = video_options(given, given["inputs"])
    if options.end <= options.start:
        made.error(f"got --start {options.start:g} and --end {options.end:g}: want an end after the start")
    return options


def video_options(given: Mapping[str, Any], inputs: Sequence[str]) -> VideoOptions:
    """Flags as they were given; those that were not asked for have their defaults."""
    shared = {name: given[name] for name in SHARED if name in given}
    of_a_run = {"aligned": "", "skip_detect": False, "landmarks": given["landmarks"]}
    defaults = {name: flag.default for name, flag in FLAGS.items()}
    own = {name: given.get(name, flag.default) for name, flag in OWN.items()}
    return VideoOptions(options_of({**defaults, **shared, **of_a_run}), tuple(inputs), **own)


def main(argv: Sequence[str]) -> int:
    options = parse(argv)
    let_opencv_read(options.run.max_pixels)
    return status_of(lambda: _analyse(options), GOES_ON)


def _analyse(options: VideoOptions) -> None:
    """All in this process, or its share, or by others."""
    from of3.runtime.runs import video_shares  # numpy, OpenCV, engines: not needed for the help

    if options.run.shard is not None:
        video_shares.a_share(options)
    elif options.run.executor:
        video_shares.on_workers(options)
    else:
        video_shares.in_this_process(options)
