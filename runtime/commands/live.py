"""`of3 live`: every face of a camera or a stream.  Nothing heavy is imported before the flags are read."""

import argparse
from collections.abc import Sequence

from of3.runtime.commands.flags import add_flags, let_opencv_read
from of3.runtime.commands.parser import Parser
from of3.runtime.commands.status import status_of
from of3.runtime.commands.video import REQUIRED, video_options
from of3.runtime.live_options import LIVE_COMMON, LIVE_FLAGS, LIVE_GROUPS, OWN, LiveOptions

DESCRIPTION = """\
Run OpenFace 3.0 on a camera or a stream: what `of3 video` writes of a file, as
it happens.  Of the frames that come while another is analysed all but the
newest are dropped, and counted.

LOG OUTPUT in <logs>/openface3, <time> being when it started
  live/<time>.csv   one row per frame and face, there before the next frame: the
                    columns of a video, and behind them latency_ms and wall_time
  live/<time>.json  the source, frames grabbed and dropped, latency, made with
                    what
  errors.tsv        frames that could not be analysed, and when the stream was
                    away
"""
EPILOG = """\
on|off also takes 1, 0, true, false, yes, no, y, n in any case.
Exit status: 0 ended by Ctrl-C or SIGTERM, after --seconds, or with a recording;
1 the camera or stream is gone, or the logs cannot be written; 2 no such camera,
no stream, missing weights or bundle, no engine, wrong flags, another run writes
there.  Whatever ends it, the rows so far are whole.
"""


def parser() -> argparse.ArgumentParser:
    made = Parser(
        prog="of3 live",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        usage="%(prog)s (--device_index N | --url URL) --logs DIR --of3_root DIR [flags]",
    )
    add_flags(made, LIVE_FLAGS, LIVE_GROUPS, LIVE_COMMON)
    return made


def parse(argv: Sequence[str]) -> LiveOptions:
    """Exits with status 2 and the usage on an unknown or missing flag."""
    made = parser()
    given = vars(made.parse_args(argv))
    if missing := [f"--{name}" for name in REQUIRED if given[name] is None]:
        made.error(f"missing {', '.join(missing)}")
    if (given["device_index"] is None) == (given["url"] is None):
        made.error("want one of --device_index and --url")
    return LiveOptions(video_options(given, ()), **{name: given[name] for name in OWN})


def main(argv: Sequence[str]) -> int:
    options = parse(argv)
    let_opencv_read(options.video.run.max_pixels)
    return status_of(lambda: _analyse(options))


def _analyse(options: LiveOptions) -> None:
    from of3.runtime.runs.live_job import in_this_process  # numpy, OpenCV, engines: not needed for the help

    in_this_process(options)
