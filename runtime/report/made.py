"""What a run was made with, as a page says it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from of3.runtime.pages.page import Caution, Part, Section, Table, Text

STAND_IN = (
    "Made with STAND-IN WEIGHTS: every number on this page follows from random weights and means nothing about "
    "any face."
)
EXCHANGED = (
    "The mirror test of the export found the gaze outputs to be the other way round than these rows name them: "
    "what this page calls gaze yaw is pitch, and gaze pitch is yaw. A run with --gaze_order measured names "
    "them as they were found; drawings and converted tables go by the test already."
)


def made_parts(documents: Sequence[Mapping[str, Any]], flags: Mapping[str, Any]) -> Iterator[Part]:
    """documents: what each process of a run did, as `runinfo.made_with`; flags: by name."""
    if any(_at(each, "bundle", "stand_in") for each in documents):
        yield Caution(STAND_IN)
    if any(_is_exchanged(each) for each in documents):
        yield Caution(EXCHANGED)
    if not documents:
        yield Text("What made these rows is not noted in the records.")
    else:
        yield _engines(documents)
        yield Section("Versions and weights", [_versions(documents)], is_closed=True)
    if flags:
        table = Table("As run.json has them", ["flag", "value"], [[name, _word(flags[name])] for name in flags])
        yield Section("Flags", [table], is_closed=True)


def _is_exchanged(document: Mapping[str, Any]) -> bool:
    named, measured = _at(document, "gaze"), _at(document, "bundle", "gaze_measured")
    return bool(named and measured) and named != measured


def _engines(documents: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [
            model,
            str(_at(engine, "runs")),
            ", ".join(f"{_at(each, 'engine')}: {_at(each, 'reason')}" for each in _at(engine, "refused") or []),
        ]
        for document in documents
        for model, engine in (_at(document, "engines") or {}).items()
    ]
    return Table("Engines, and why no better one ran", ["network", "ran on", "refused"], _once(rows))


def _versions(documents: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [name, str(version)]
        for document in documents
        for name, version in (_at(document, "versions") or {}).items()
    ]
    for document in documents:
        rows.append(
            ["bundle", f"{_at(document, 'bundle', 'folder')}, sha256 {_at(document, 'bundle', 'sha256')}"]
        )
        weights = _at(document, "bundle", "weights") or {}
        rows += [[f"weights {file}", str(kind)] for file, kind in weights.items()]
        rows.append(["gaze outputs", ", ".join(_at(document, "gaze") or [])])
    return Table("Versions and weights", ["what", "which"], _once(rows))


def _at(document: Any, *names: str) -> Any:
    """What stands in a document under these names; None where nothing does: others may have written it."""
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _once(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [list(row) for row in dict.fromkeys(map(tuple, rows))]


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) else json.dumps(value)
