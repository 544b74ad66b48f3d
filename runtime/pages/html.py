"""A page -> the text of its file.

Its content policy forbids every request, and every script but those that are in it: what a file name holds
cannot run.  That is why Vega interprets its expressions here, instead of compiling them.
"""

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from of3.runtime.pages.page import Chart, Page, Part
from of3.runtime.types import RunError

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")
VENDOR = Path(__file__).with_name("vendor")
SCRIPTS = (  # in the order in which they need each other
    VENDOR / "vega.min.js",
    VENDOR / "vega-lite.min.js",
    VENDOR / "vega-embed.min.js",
    TEMPLATES / "page.js",
)


def html(page: Page) -> str:
    """One line of it may be long; it is UTF-8 whatever the page's names are.

    Raises RunError: the extra is not installed.
    """
    scripts = [path.read_text("utf-8") for path in SCRIPTS]
    made = (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            policy=_policy(scripts),
            scripts=scripts,
            style=(TEMPLATES / "page.css").read_text("utf-8"),
        )
    )
    return made.encode("utf-8", "backslashreplace").decode()


def _policy(scripts: list[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    # Vega writes the styles of its tooltips into the page.
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _environment() -> "Environment":
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise RunError("jinja2: not installed: pip install 'of3[report]'") from error
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["side_by_side"] = side_by_side
    made.filters["columns"] = _columns
    return made


def side_by_side(parts: list[Part]) -> Iterator[list[Part]]:
    """Charts that follow each other and share a row together, all else by itself."""
    for are_narrow, some in groupby(parts, lambda part: isinstance(part, Chart) and not part.is_wide):
        found = list(some)
        yield from [found] if are_narrow else ([part] for part in found)


def _columns(datasets: dict[str, Any]) -> dict[str, Any]:
    return {name: {column: list(values) for column, values in each.items()} for name, each in datasets.items()}
