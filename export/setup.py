"""`of3 setup`: weights, bundle and their test, in one command.

PyTorch lives in an environment of its own, which goes when the bundle stands: this one stays lean.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from of3.engines.bundle import BundleError
from of3.engines.errors import Error
from of3.engines.manifest import MANIFEST, read_bundle
from of3.engines.registry import CPU
from of3.export.current import check_current
from of3.export.environment import Environment, SetupFailed, own_package, package_at
from of3.export.fetch import LANDMARKS, is_accepted, names_of
from of3.export.published import TERMS
from of3.runtime.commands import doctor
from of3.runtime.commands.arguments import add_places, add_precisions, completed, url
from of3.runtime.commands.parser import Parser
from of3.runtime.runs.console import log_to_stderr
from of3.runtime.runs.interruption import Unwinding

log = logging.getLogger(__name__)

THROW_AWAY = ".of3_setup"  # in the OpenFace folder, which has room for weights


class LicenceRefused(Error):
    """Nobody accepted it."""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    made = Parser(
        prog="of3 setup",
        description="Fetch the weights, export them with PyTorch in an environment of its own, test them. "
        "What is done is not done again; after an error the same command goes on.",
        epilog="Exit status: 0 ready, 1 a step failed, 2 the licence is not accepted or wrong flags.",
        allow_abbrev=False,
    )
    add_places(made, "bundle to write")
    made.add_argument(
        "--landmarks", choices=tuple(LANDMARKS), default="98", help="which landmark network (98 points)"
    )
    add_precisions(made)
    made.add_argument("--accept_license", action="store_true", help="accept the licence without being asked")
    made.add_argument("--endpoint", type=url, metavar="URL", help="another server of the weights, a mirror")
    made.add_argument(
        "--environment",
        type=Path,
        metavar="DIR",
        help=f"a Python environment with of3[export,fetch]; where there is none it is made and kept "
        f"(<of3_root>/{THROW_AWAY}, made and removed)",
    )
    made.add_argument(
        "--package", type=package_at, metavar="PATH", help="wheel or folder of of3 (as this one was installed)"
    )
    made.add_argument(
        "--pip",
        action="append",
        default=[],
        metavar="=ARG",
        help="for pip, as often as needed: --pip=--extra-index-url=URL for an index with CPU builds of PyTorch",
    )
    return completed(made.parse_args(argv))


def main(argv: Sequence[str]) -> int:
    log_to_stderr()
    given = parse(argv)
    print(TERMS, file=sys.stderr)
    lacking = what_lacks(given.bundle, given.weights, names_of(given.landmarks), given.precision)
    try:
        with Unwinding() as interruption:
            if lacking:
                log.info("%s", lacking)
                _make(given)
            return _tested(given)
    except LicenceRefused as error:
        log.error("%s", error)
        return 2
    except (SetupFailed, OSError) as error:
        log.error("%s; then the same command goes on from there", error)
        return 1
    except KeyboardInterrupt:
        log.error("interrupted: the same command goes on from there")
        return interruption.status or 130


def what_lacks(bundle: Path, weights: Path, files: Sequence[str], precisions: Sequence[str]) -> str:
    """Why a bundle has to be made; nothing where it is there, whole, and of these weights."""
    if not (bundle / MANIFEST).exists():
        return f"{bundle} is to be made"
    try:
        found = read_bundle(bundle)
        check_current(found, weights)
    except BundleError as error:
        return f"{error}, which is done now"
    # What runs in another precision's place has no graph of its own.
    there = [{*card.files, *card.substitutes} for card in found.models.values()]
    without = [file for file in files if file not in found.digests]
    without += [name for name in precisions if not all(name in each for each in there)]
    return f"{bundle} was made without {', '.join(without)}, and is made anew" if without else ""


def _make(given: argparse.Namespace) -> None:
    """Weights that are missing, then the bundle.  Raises LicenceRefused, SetupFailed, OSError."""
    missing = [name for name in names_of(given.landmarks) if not (given.weights / name).exists()]
    if missing and not given.accept_license and not is_accepted():
        raise LicenceRefused("nothing done: the licence was not accepted (--accept_license accepts it)")
    environment = Environment(given.environment or given.of3_root / THROW_AWAY)
    environment.prepare(given.package or own_package(), given.pip)
    if missing:
        environment.run("fetch-weights", *_fetch_words(given))
    environment.run("export", *_export_words(given))
    if given.environment is None:
        environment.remove()


def _fetch_words(given: argparse.Namespace) -> list[str | Path]:
    words = ["--of3_root", given.of3_root, "--weights", given.weights, "--landmarks", given.landmarks]
    mirror = ["--endpoint", given.endpoint] if given.endpoint else []
    return [*words, *mirror, "--accept_license"]


def _export_words(given: argparse.Namespace) -> list[str | Path]:
    words = ["--of3_root", given.of3_root, "--weights", given.weights, "--bundle", given.bundle, "--force"]
    points = [] if given.landmarks == "none" else ["--landmark_model", given.landmarks]
    return [*words, *points, "--precision", ",".join(given.precision)]


def _tested(given: argparse.Namespace) -> int:
    """The bundle on the CPU, which every machine has; of the other engines doctor says how they do."""
    status = doctor.main(["--bundle", str(given.bundle), "--engine", CPU.name])
    log_to_stderr()  # doctor says less
    if status == 0:
        log.info("ready: of3 run --aligned FOLDER --logs LOGS --of3_root %s", given.of3_root)
    return status
