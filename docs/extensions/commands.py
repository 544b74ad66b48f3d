"""The directive `commands`: a section for each command of `of3`, with the help that its own parser prints."""

import io
from configparser import ConfigParser
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

METADATA = Path(__file__).resolve().parents[2] / "setup.cfg"


def commands() -> dict[str, str]:
    """Name -> module:function, of this checkout, whatever is installed."""
    metadata = ConfigParser()
    metadata.read(METADATA, "utf-8")
    lines = metadata["options.entry_points"]["of3.commands"].split("\n")
    named = (line.split("=") for line in lines if "=" in line)
    return {name.strip(): place.strip() for name, place in named}


def help_of(place: str) -> str:
    """module:function -> what it prints when asked for its help."""
    module, _, function = place.partition(":")
    written = io.StringIO()
    with redirect_stdout(written), suppress(SystemExit):
        getattr(import_module(module), function)(["--help"])
    if not written.getvalue():
        raise ValueError(f"{place}: got no help text, want one from --help")
    return written.getvalue()


class Commands(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(METADATA)
        return [self._section(name, help_of(place)) for name, place in commands().items()]

    def _section(self, name: str, text: str) -> nodes.Node:
        title = f"of3 {name}"
        section = nodes.section("", nodes.title(title, title), ids=[nodes.make_id(title)], names=[title])
        section += nodes.literal_block(text, text, language="text")
        self.state.document.note_explicit_target(section)
        return section


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
