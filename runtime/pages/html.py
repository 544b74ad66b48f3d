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

from of3.runtime.pages.page import Chart, Page, Part, Sheet
from of3.runtime.types import RunError

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")
VENDOR = Path(__file__).with_name("vendor")
# Controls of C0, DEL and C1, and those of the direction of writing.
HIDDEN = {
    code: f"\\u{code:04x}"
    for code in (
        *range(0x20),
        *range(0x7F, 0xA0),
        0x61C,
        0x200E,
        0x200F,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    )
}
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
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["side_by_side"] = side_by_side
    made.filters["columns"] = _columns
    return made


def _visible(value: object) -> object:
    """What would break a line or turn what stands behind it around, as `\\u202e`; a file's name may hold it."""
    return value.translate(HIDDEN) if type(value) is str else value


def side_by_side(parts: list[Part]) -> Iterator[list[Part]]:
    """Charts that follow each other and are not wide, or sheets, together; all else by itself."""
    for kind, some in groupby(parts, _kind_of_row):
        found = list(some)
        yield from [found] if kind else ([part] for part in found)


def _kind_of_row(part: Part) -> str:
    """Empty where it stands by itself."""
    is_wide = not isinstance(part, Chart | Sheet) or (isinstance(part, Chart) and part.is_wide)
    return "" if is_wide else part.kind


def _columns(datasets: dict[str, Any]) -> dict[str, Any]:
    return {name: {column: list(values) for column, values in each.items()} for name, each in datasets.items()}
