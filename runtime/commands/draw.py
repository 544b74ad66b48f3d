"""`of3 draw`: what the logs know, drawn onto the pictures and videos that it is known of."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from of3.runtime.commands import arguments
from of3.runtime.commands.parser import Parser
from of3.runtime.commands.status import status_of

AGAIN = "the same command draws all of it again"
DESCRIPTION = """\
Draw what the logs of `of3 run` or `of3 video` know onto the pictures and
videos, without running a network: boxes, landmarks as lines, the head's axes,
an arrow along the gaze, the emotion and its probability, the eight action units
as bars.

OUTPUT
  <out>/<stem>.jpg  a picture, named as its per-image files are; with the reason
                    where it has no face
  <out>/<stem>.mp4  a video: H.264 of the frames that were analysed, at their
                    times, with the source's sound
  <out>/errors.tsv  what could not be drawn, and why: the source is gone, or
                    another than it was
"""
EPILOG = """\
Axes begin at the tip of the nose: red to the picture's right and green down
where the head is upright and faces the camera, blue to where it faces.  The
arrow begins between the pupils, or at a third of the box's height where there
are no landmarks, and points to where the eyes look in the picture; towards the
camera it is a ring.  Where the export's mirror test could not tell which gaze
output is yaw there is none.
Exit status: 0 done, also where some could not be drawn; 1 the drawings cannot
be written; 2 no records, damaged ones, a run at work, wrong flags; 130, 143
interrupted.
"""


def parser() -> argparse.ArgumentParser:
    made = Parser(
        prog="of3 draw",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("logs", type=Path, metavar="LOGS", help="log root: what --logs of the run was")
    made.add_argument(
        "--out", type=Path, metavar="DIR", help="where the drawings go (<logs>/openface3/overlay)"
    )
    made.add_argument(
        "--sample",
        type=arguments.count_or_all,
        default=100,
        metavar="N|all",
        help="so many pictures, spread evenly over the run; videos are drawn whole (100)",
    )
    made.add_argument(
        "--faces",
        type=arguments.faces,
        default="all",
        metavar="best|all|N",
        help="of each picture or frame: all that the logs know, the N best, or the best (all)",
    )
    return made


def main(argv: Sequence[str]) -> int:
    given = parser().parse_args(argv)
    return status_of(lambda: _draw(given), AGAIN)


def _draw(given: argparse.Namespace) -> None:
    from of3.runtime.runs.draw import DrawOptions, draw  # numpy, OpenCV: not needed for the help
    from of3.runtime.runs.interruption import Unwinding

    with Unwinding():
        draw(DrawOptions(given.logs, given.out, given.sample, given.faces))
