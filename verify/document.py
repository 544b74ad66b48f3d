"""Findings -> verify.json."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from of3.verify.finding import Drawing, Figure, Finding, HeatMap, Listing, wrong

FORMAT, REVISION = "of3-verify", 1


def document(made_with: Mapping[str, str], findings: Sequence[Finding]) -> str:
    """made_with: what the verdicts hold for: the bundle, the machine, the versions."""
    told = {
        "format": FORMAT,
        "revision": REVISION,
        "wrong": wrong(findings),
        "made_with": made_with,
        "findings": [_finding(finding) for finding in findings],
    }
    return json.dumps(told, indent=1, allow_nan=False) + "\n"


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "item": finding.item,
        "verdict": finding.verdict,
        "said": finding.said,
        "remedy": finding.remedy,
        "figures": [_figure(figure) for figure in finding.figures],
        "exhibits": [_exhibit(exhibit) for exhibit in finding.exhibits],
    }


def _figure(figure: Figure) -> dict[str, Any]:
    """JSON has no word for what is not a number."""
    return asdict(figure) | {"value": figure.value if math.isfinite(figure.value) else None}


def _exhibit(exhibit: HeatMap | Listing | Sequence[Drawing]) -> Any:
    """Drawings are for eyes: their names and notes are told."""
    if isinstance(exhibit, HeatMap | Listing):
        return asdict(exhibit)
    return [{"name": drawing.name, "note": drawing.note} for drawing in exhibit]
