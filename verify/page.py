"""Findings -> verify.html: every verdict, then by check the figures that it stands on."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import cv2

from of3.runtime.pages.charts import of_one_view
from of3.runtime.pages.html import html
from of3.runtime.pages.page import Caution, Cell, Chart, Page, Part, Section, Sheet, Table, Text, Verdict
from of3.runtime.pages.page import Figure as Picture
from of3.verify.finding import Drawing, Figure, Finding, HeatMap, Listing, wrong

ORDER = ("does not hold", "cannot tell", "holds")
CELL_PX = 26


def page_of(made_with: Mapping[str, str], findings: Sequence[Finding]) -> str:
    """Raises RunError: the extra that makes pages is not installed."""
    measured = (finding for finding in findings if finding.figures or finding.exhibits)
    by_check = groupby(measured, lambda finding: finding.check)
    sections = [_verdicts(findings), *(_section(check, list(some)) for check, some in by_check)]
    conditions = Table("What the verdicts hold for", ("", ""), [list(each) for each in made_with.items()])
    sections.append(Section("Made with", [conditions], is_closed=True))
    return html(Page("of3 verify", made_with["bundle"], sections, ["Made by of3 verify"], {}))


def _verdicts(findings: Sequence[Finding]) -> Section:
    rows: list[list[Cell]] = [
        [finding.check, finding.item, Verdict(finding.verdict), finding.said, finding.remedy]
        for finding in sorted(findings, key=lambda finding: ORDER.index(finding.verdict))
    ]
    names = wrong(findings)
    opening: Part = Text("Nothing was found wrong. What cannot be told is named first.")
    if names:
        opening = Caution(f"Does not hold: {'; '.join(names)}. What to do is said below.")
    columns = ("check", "item", "verdict", "found", "what to do")
    return Section("Verdicts", [opening, Table("Every item", columns, rows)])


def _section(check: str, findings: Sequence[Finding]) -> Section:
    tables = [_figures(finding) for finding in findings if finding.figures]
    exhibits = [_part(exhibit) for finding in findings for exhibit in finding.exhibits]
    return Section(check[0].upper() + check[1:], [*tables, *exhibits])


def _figures(finding: Finding) -> Part:
    """A row a quantity, a column a measure."""
    measures = list(dict.fromkeys(figure.name for figure in finding.figures))
    rows: dict[str, dict[str, str]] = {}
    for figure in finding.figures:
        rows.setdefault(f"{figure.of}, {figure.unit}", {})[figure.name] = _value(figure)
    cells = [[of, *(row.get(measure, "") for measure in measures)] for of, row in rows.items()]
    return Table(f"{finding.item}: figures, and the bounds they must keep", ("of", *measures), cells)


def _value(figure: Figure) -> str:
    most = "" if figure.at_most is None else f" ≤ {figure.at_most:.2g}"
    least = "" if figure.at_least is None else f" ≥ {figure.at_least:.2g}"
    fails = "" if figure.is_kept else "FAILS: "
    return f"{fails}{figure.value:.3g}{most}{least}"


def _part(exhibit: HeatMap | Listing | Sequence[Drawing]) -> Part:
    if isinstance(exhibit, HeatMap):
        return _chart(exhibit)
    if isinstance(exhibit, Listing):
        return Table(exhibit.title, exhibit.columns, exhibit.rows)
    return Sheet("Drawn on the faces", [_picture(drawing) for drawing in exhibit])


def _picture(drawing: Drawing) -> Picture:
    encoded = cv2.imencode(".jpg", drawing.pixels)[1].tobytes()
    source = f"data:image/jpeg;base64,{base64.b64encode(encoded).decode()}"
    return Picture(source, drawing.name, drawing.note)


def _chart(found: HeatMap) -> Chart:
    """A cell a number, which stands in it; a frame round what was taken."""
    cells = list(_cells(found))
    place = {
        "x": {"field": "column", "type": "nominal", "sort": None, "title": "output", "axis": {"labelAngle": 0}},
        "y": {"field": "row", "type": "nominal", "sort": None, "title": None},
    }
    shade = {"field": "value", "type": "quantitative", "scale": {"scheme": "viridis"}, "title": "presence"}
    framed = {"condition": {"test": "datum.taken", "value": "red"}, "value": None}
    layers = [
        {"mark": {"type": "rect", "strokeWidth": 3}, "encoding": {"color": shade, "stroke": framed}},
        {
            "mark": {"type": "text", "fontSize": 10},
            "encoding": {
                "text": {"field": "value", "type": "quantitative", "format": ".2f"},
                "color": {
                    "condition": {"test": "datum.value > datum.middle", "value": "black"},
                    "value": "white",
                },
            },
        },
    ]
    spec = {
        **of_one_view({"data": {"values": cells}, "encoding": place, "layer": layers}),
        "height": CELL_PX * len(found.rows),
    }
    return Chart(found.title, f"{found.title}: {_told(found)}", spec, is_wide=True)


def _cells(found: HeatMap) -> Iterator[dict[str, object]]:
    every = [value for values in found.values for value in values]
    middle = (min(every) + max(every)) / 2
    for row, values, own in zip(found.rows, found.values, found.taken, strict=True):
        for at, (column, value) in enumerate(zip(found.columns, values, strict=True)):
            shown = {"row": row, "column": column, "value": round(value, 4)}
            yield {**shown, "taken": at == own, "middle": middle}


def _told(found: HeatMap) -> str:
    """For who cannot see it."""
    return ", ".join(
        f"{row} {values[own]:.2f} on {found.columns[own]}"
        for row, values, own in zip(found.rows, found.values, found.taken, strict=True)
    )
