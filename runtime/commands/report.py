"""`of3 report`: what a run has found, as a page."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from of3.runtime.commands.arguments import on_off
from of3.runtime.commands.parser import Parser
from of3.runtime.commands.status import status_of

GOES_ON = "nothing is lost, the same command makes the page again"


def parse(argv: Sequence[str]) -> argparse.Namespace:
    made = Parser(
        prog="of3 report",
        description="Make one HTML file of what a run of pictures or videos has found, from its records alone: "
        "what ran, what failed and why, distributions, the most and the least of each action unit, odd rows, "
        "time lines of videos.  It opens from a disk and asks no other host for anything "
        "(pip install 'of3[report]').",
        epilog="Exit status: 0 done, 1 the page cannot be written, 2 no records, a run at work, wrong flags.",
        allow_abbrev=False,
    )
    made.add_argument("logs", type=Path, metavar="LOGS", help="log root: what --logs of the run was")
    made.add_argument("--out", type=Path, metavar="FILE", help="the page (<LOGS>/openface3/report.html)")
    made.add_argument(
        "--thumbnails",
        type=on_off,
        default=True,
        metavar="on|off",
        help="small pictures, read from where the run found them: faces are personal data (on)",
    )
    return made.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    given = parse(argv)
    return status_of(lambda: _report(given), GOES_ON)


def _report(given: argparse.Namespace) -> None:
    from of3.runtime.runs.report import Asked, report

    report(Asked(given.logs, given.out, given.thumbnails))
