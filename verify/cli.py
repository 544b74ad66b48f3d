"""`of3 verify`: whether these weights can be trusted here, in one page."""

import argparse
import logging
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from of3.engines import host, machine
from of3.engines.base import EngineUnavailable
from of3.engines.bundle import Bundle, BundleError
from of3.runtime.bundle import open_bundle, weights_of
from of3.runtime.commands.arguments import add_places, completed
from of3.runtime.commands.parser import Parser
from of3.runtime.commands.status import status_of
from of3.runtime.logs.columns import legible
from of3.runtime.logs.files import replace_text
from of3.runtime.runs.console import log_to_stderr
from of3.runtime.types import RunError
from of3.verify.checks import findings
from of3.verify.document import document
from of3.verify.finding import Finding, Verdict, wrong
from of3.verify.page import page_of
from of3.verify.subject import subject_of

log = logging.getLogger(__name__)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    made = Parser(
        prog="of3 verify",
        description="Whether a bundle and its weights can be trusted on this machine: graphs against PyTorch, "
        "engines against fp32, and what can be told of faces without labels; a line an item, a page, JSON.",
        epilog="Exit status: 0 nothing was found wrong, 1 something does not hold, 2 no bundle or wrong flags. "
        "Takes about two minutes on two cores, and longer for every engine of a GPU.",
        allow_abbrev=False,
    )
    add_places(made, "bundle")
    made.add_argument("--faces", type=Path, metavar="FOLDER", help="more faces, a picture each, to try it on")
    made.add_argument(
        "--out", type=Path, metavar="DIR", help="for verify.html, verify.json (<weights>/of3_verify)"
    )
    given = completed(made.parse_args(argv))
    given.out = given.out or given.weights / "of3_verify"
    if given.faces is not None and not given.faces.is_dir():
        made.error(f"--faces {given.faces}: no such folder")
    return given


def main(argv: Sequence[str]) -> int:
    log_to_stderr()
    given = parse(argv)
    found: list[Finding] = []
    status = status_of(lambda: _verify(given, found))
    return status or int(bool(wrong(found)))


def _verify(given: argparse.Namespace, found: list[Finding]) -> None:
    """Fills `found`, and writes what came of it.  Raises RunError, OSError."""
    try:
        bundle = open_bundle(given.bundle)
        for finding in findings(subject_of(bundle, given.of3_root, given.weights, given.faces)):
            found.append(replace(finding, said=legible(finding.said), remedy=legible(finding.remedy)))
            print(line(found[-1]), flush=True)
    except (BundleError, EngineUnavailable) as error:
        raise RunError(str(error)) from error
    made_with = conditions(bundle)
    given.out.mkdir(parents=True, exist_ok=True)
    replace_text(given.out / "verify.json", document(made_with, found))
    print(f"{counted(found)}: {legible(_page(given.out / 'verify.html', made_with, found))}")


def _page(path: Path, made_with: Mapping[str, str], found: Sequence[Finding]) -> str:
    """Where the page is, or why there is none.  Raises RunError, OSError: it cannot be written."""
    try:
        text = page_of(made_with, found)
    except RunError as error:  # verdicts do not depend on a page
        return f"no page: {error}; {path.with_suffix('.json')}"
    replace_text(path, text)
    return str(path)


def line(finding: Finding) -> str:
    """An item on the terminal."""
    todo = f"; {finding.remedy}" if finding.remedy else ""
    return f"{finding.verdict:<13}  {finding.name}: {finding.said}{todo}"


def counted(found: Iterable[Finding]) -> str:
    verdicts = [finding.verdict for finding in found]
    told: Mapping[Verdict, str] = {
        "holds": "hold",
        "does not hold": "do not hold",
        "cannot tell": "cannot be told",
    }
    return "of the items " + ", ".join(f"{verdicts.count(word)} {said}" for word, said in told.items())


def conditions(bundle: Bundle) -> Mapping[str, str]:
    """What the verdicts hold for."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "bundle": f"{legible(str(bundle.folder))}, sha256 {bundle.digest}",
        "weights": weights_of(bundle).removeprefix("weights: "),
        "machine": f"{platform.platform()}, {host.processor()}, {host.cores()} cores",
        "GPU": machine.describe_gpu(),
        **machine.packages(),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
