"""`of3 convert`: the records of a run as tables that other programs read."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from of3.runtime.commands.parser import Parser
from of3.runtime.commands.status import status_of

GOES_ON = "nothing is lost, the same command does it again"
DESCRIPTION = """\
Write what a run of pictures or videos has found as tables for other programs,
from its records: no picture is read and no network run.

  parquet    pictures.parquet, videos.parquet: all faces, typed, unrounded,
             units in the columns' metadata (pip install 'of3[tables]')
  openface2  <stem>.csv of each video, pictures.csv: OpenFace 2.2's columns in
             its order; what is not measured is blank and told; AUxx_c is 1 from
             a score of 0.5 on, the scores are AUxx_p; 68 landmarks of 98
  pyfeat     videos.csv, pictures.csv: the names of py-feat's Fex; angles in
             rad, lengths in mm
  long       videos.csv, pictures.csv: a row for every number, with its name and
             unit
"""
EPILOG = """\
Exit status: 0 done, 1 the tables cannot be written, 2 no records, a run at
work, wrong flags.
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    made = Parser(
        prog="of3 convert",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EPILOG,
        allow_abbrev=False,
    )
    made.add_argument("logs", type=Path, metavar="LOGS", help="log root: what --logs of the run was")
    made.add_argument("--to", required=True, choices=("parquet", "openface2", "pyfeat", "long"))
    made.add_argument("--out", type=Path, metavar="DIR", help="folder (<LOGS>/openface3/converted/<to>)")
    made.add_argument(
        "--separator",
        default="comma",
        choices=("comma", "comma_space"),
        help="of text tables; OpenFace 2.2 writes comma on Linux, comma_space on Windows (comma)",
    )
    return made.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    given = parse(argv)
    return status_of(lambda: _convert(given), GOES_ON)


def _convert(given: argparse.Namespace) -> None:
    from of3.runtime.runs.convert import Conversion, convert

    convert(Conversion(given.logs, given.to, given.out, given.separator))
