"""`of3 render`: the text files of a run anew from its records."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from of3.runtime.commands.arguments import METAVARS, READERS
from of3.runtime.commands.parser import Parser
from of3.runtime.commands.status import status_of
from of3.runtime.options import FLAGS

GOES_ON = "nothing is lost, the same command goes on"
# What only decides how a picture's records are written.
RENDERED = (
    "th_smile",
    "th_mouth",
    "per_image",
    "extra_csv",
    "csv_emotion_topk",
    "landmarks_fmt",
    "eyes",
    "th_eyes",
)

log = logging.getLogger(__name__)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    made = Parser(
        prog="of3 render",
        description="Write the tables and per-image files of a run anew from its records, without a network: "
        "as they were, or as these flags would have made them.",
        epilog="Exit status: 0 done, 1 the logs cannot be written, 2 no records, a run at work, wrong flags.",
        allow_abbrev=False,
    )
    made.add_argument("logs", type=Path, metavar="LOGS", help="log root: what --logs of the run was")
    for name in RENDERED:
        flag = FLAGS[name]
        made.add_argument(
            f"--{name}",
            type=READERS[flag.parse],
            choices=flag.choices or None,
            metavar=flag.metavar or METAVARS.get(flag.parse),
            help=f"{flag.text.rpartition(' (')[0] or flag.text} (as it was)",
        )
    return made.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    given = parse(argv)
    return status_of(lambda: _render(given), GOES_ON)


def _render(given: argparse.Namespace) -> None:
    from of3.runtime.logs.folder import FOLDER
    from of3.runtime.runs.render import render

    changes = {name: getattr(given, name) for name in RENDERED if getattr(given, name) is not None}
    folder = given.logs / FOLDER
    render(folder, changes)
    log.info("%s: written anew from its records", folder)
