"""Each network's graph against its weights in PyTorch, as the original runs them: one picture at a time."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from of3.engines.base import Floats, Outputs
from of3.runtime.bundle import points_of
from of3.verify.finding import Figure, Finding, Verdict, beyond
from of3.verify.fp32 import Known
from of3.verify.subject import Subject

if TYPE_CHECKING:
    from of3.export.models import Model

CHECK = "against PyTorch"
INSTALL = "pip install 'of3[export]'"
EXPORT = "run `of3 export --force` again; report it if it stays"


def findings(subject: Subject, known: Mapping[str, Known]) -> Iterator[Finding]:
    """A finding a network."""
    if missing := [name for name in ("torch", "onnx") if find_spec(name) is None]:
        said = f"{' and '.join(missing)} not installed: the graphs were not compared"
        yield Finding(CHECK, "every network", "cannot tell", said, f"{INSTALL}, then again")
        return
    from of3.export.models import models_in

    models = models_in(subject.weights, points_of(subject.bundle) or None)
    for model in models:
        if model.name in known:
            yield _compared(subject, model, known[model.name])


def _compared(subject: Subject, model: "Model", known: Known) -> Finding:
    from of3.export.checkpoints import BadWeights, load_all
    from of3.export.verify import torch_outputs

    module, path = model.make().eval(), subject.weights / model.file
    try:
        load_all({path: module})
    except BadWeights as error:
        said = "; ".join(error.problems)
        return Finding(CHECK, model.name, "cannot tell", said, f"put the file that was exported at {path}")
    got = [torch_outputs(model, module, batch) for batch in known.inputs]
    return compared(known, got, model.bounds, subject.bundle.labels.emotions)


def compared(
    known: Known, pytorch: Sequence[Outputs], bounds: Mapping[str, float], emotions: Sequence[str]
) -> Finding:
    """Largest and median difference of every output, and what explains one that is beyond its bound.

    Holds within `bounds`, which the export was refused beyond; does not where fp32 on another engine would be
    refused too: what lies between may be a rounding, on another processor and other pictures than the export's.
    emotions: their names, by which columns are told; those of other outputs are told by number.
    """
    figures, explained = list[Figure](), list[str]()
    for output in known.card.outputs:
        here, there = known.pairs(output.name, pytorch)
        apart, bound = np.abs(here - there), bounds[output.name]
        figures.append(Figure(output.name, "largest difference", float(apart.max()), output.unit, bound))
        figures.append(Figure(output.name, "median difference", float(np.median(apart)), output.unit))
        if not figures[-2].is_kept:
            names = emotions if output.name == "emotion_logits" else [str(i) for i in range(here.shape[1])]
            explained += [f"{output.name}: {told}" for told in exchanged(here, there, bound, names)]
    rows = sum(len(batch) for batch in known.inputs)
    if wrong := beyond(figures):
        roundings = known.card.check.bounds["fp32"]
        is_rounding = all(figure.value <= roundings[figure.of] for figure in figures if not figure.is_kept)
        verdict: Verdict = "cannot tell" if is_rounding else "does not hold"
        return Finding(CHECK, known.card.name, verdict, "; ".join([wrong, *explained]), EXPORT, figures)
    return Finding(
        CHECK, known.card.name, "holds", f"{rows} inputs, every output within its bound", "", figures
    )


def exchanged(here: Floats, there: Floats, bound: float, names: Sequence[str]) -> Iterator[str]:
    """(N,K) each -> which columns stand in another's place, where that is all that differs."""
    apart = np.abs(here[:, :, None] - there[:, None, :]).max(axis=0)  # (column here, column there)
    moved = np.flatnonzero(~(np.diag(apart) <= bound))
    found = apart[np.ix_(moved, moved)]
    places = moved[found.argmin(axis=1)].tolist()
    if len(set(places)) == len(moved) and found.min(axis=1).max() <= bound:
        said = [f"{names[at]} stands {names[place]}" for at, place in zip(moved.tolist(), places, strict=True)]
        yield f"in the place of {', '.join(said)}"
