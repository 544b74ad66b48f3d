"""Every engine and precision that opens here against fp32, measured on it: one by one, and in batches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from of3.engines import host, plugins, selfcheck
from of3.engines.base import BatchRefused, CpuThreads, Engine, EngineFailed, EngineUnavailable, Outputs
from of3.engines.bundle import Bundle, BundleError, ModelCard
from of3.engines.registry import ORDER, PRECISIONS, Kind, kind_named
from of3.verify.finding import Figure, Finding, beyond
from of3.verify.fp32 import ROWS, Known, in_batches

CHECK = "engine"
PRESENT = 0.5  # of an AU's score, from which it counts as there
DRIFTS = "pass another --engine or --dtype to `of3 run`, or run `of3 build` again; `of3 doctor` says more"


@dataclass(frozen=True, slots=True)
class Variant:
    """What an engine computes in.  bounds: the name of its bounds in the bundle's self-check."""

    kind: Kind
    precision: str
    tf32: bool

    @property
    def bounds(self) -> str:
        return "tf32" if self.tf32 else self.precision

    def said_of(self, model: str) -> str:
        return f"{model} on {self.kind.name} {self.bounds}"


def kinds_here() -> list[Kind]:
    """Those of the registry, and every plugin that is installed besides."""
    known = {kind.name for kind in ORDER}
    others = [plugin.name for plugin in plugins.installed() if plugin.name not in known]
    return [*ORDER, *(kind_named(f"plugin:{name}") for name in others)]


def findings(bundle: Bundle, known: Mapping[str, Known], kinds: Sequence[Kind]) -> Iterator[Finding]:
    """A finding of every network on every engine in every precision; one of an engine that is not there."""
    for kind in kinds:
        try:
            kind.check()
        except EngineUnavailable as error:
            yield Finding(CHECK, kind.name, "cannot tell", f"not here: {error}")
            continue
        for variant in variants(kind):
            for each in known.values():
                if variant.precision in each.card.files:
                    yield _tried(bundle, variant, each)


def variants(kind: Kind) -> Iterator[Variant]:
    """The precisions that an engine computes in by itself; of a GPU's fp32 also with products in TF32."""
    for precision in PRECISIONS:
        if kind.precisions[precision][0] == precision:
            yield Variant(kind, precision, tf32=False)
            if precision == "fp32" and kind.device == "cuda":
                yield Variant(kind, precision, tf32=True)


def _tried(bundle: Bundle, variant: Variant, known: Known) -> Finding:
    card = known.card
    item = variant.said_of(card.name)
    try:
        engine = variant.kind.open(bundle, card.name, variant.precision, variant.tf32, CpuThreads(host.cores()))
    except EngineUnavailable as error:
        if selfcheck.FAILS in str(error):
            return Finding(CHECK, item, "does not hold", f"drifts: {error}", DRIFTS)
        return Finding(CHECK, item, "cannot tell", f"does not open: {error}")
    except BundleError as error:
        return refused(item, str(error))
    try:
        return measured(engine, item, known, card.check.bounds[variant.bounds])
    except (BatchRefused, EngineFailed) as error:
        return Finding(CHECK, item, "does not hold", f"breaks: {error}", DRIFTS)
    except BundleError as error:
        return refused(item, str(error))
    finally:
        engine.close()


def refused(item: str, reason: str) -> Finding:
    """Of a network whose files are not those that were exported."""
    return Finding(CHECK, item, "does not hold", f"refused: {reason}")


def measured(engine: Engine, item: str, known: Known, bounds: Mapping[str, float]) -> Finding:
    """Drift from fp32 of every output, what is decided otherwise, and batches against single pictures.

    bounds: of the largest difference, by output.  Raises BatchRefused, EngineFailed, BundleError.
    """
    stored = _from_stored(engine, known.card, bounds)
    single = [in_batches(engine, batch, 1) for batch in known.inputs]
    joint = [in_batches(engine, batch, ROWS) for batch in known.inputs]
    drift = list(_drift(known, single, bounds))
    apart = _apart(known, single, joint, bounds)
    figures = [*stored, *drift, *apart, *_decisions(known, single)]
    if wrong := beyond([*stored, *drift]):
        return Finding(CHECK, item, "does not hold", f"drifts: {wrong}", DRIFTS, figures)
    if wrong := beyond(apart):
        said = f"batches of {ROWS} differ from single pictures: {wrong}"
        return Finding(CHECK, item, "does not hold", said, f"pass --batch 1 to `of3 run`; {DRIFTS}", figures)
    rows = sum(len(batch) for batch in known.inputs)
    return Finding(
        CHECK, item, "holds", f"{engine.name}: {rows} inputs within the self-check's bounds", "", figures
    )


def _from_stored(engine: Engine, card: ModelCard, bounds: Mapping[str, float]) -> list[Figure]:
    """From what fp32 made of the bundle's own pictures when it was exported."""
    check = selfcheck.read_self_check(card)
    rows = min(len(check.pixels), engine.max_batch)
    found = selfcheck.differences(engine, card, check, rows)
    return [
        Figure(output.name, "from the export's", found[output.name], output.unit, bounds[output.name])
        for output in card.outputs
    ]


def _drift(known: Known, got: Sequence[Outputs], bounds: Mapping[str, float]) -> Iterator[Figure]:
    for output in known.card.outputs:
        want, have = known.pairs(output.name, got)
        apart = np.abs(have - want)
        name, unit = output.name, output.unit
        yield Figure(name, "from fp32: median", float(np.median(apart)), unit)
        yield Figure(name, "99th percentile", float(np.percentile(apart, 99)), unit)
        yield Figure(name, "largest", float(apart.max()), unit, bounds[output.name])


def _apart(
    known: Known, single: Sequence[Outputs], joint: Sequence[Outputs], bounds: Mapping[str, float]
) -> list[Figure]:
    """Kernels may differ by the size of a batch, and then round as the precision does."""
    figures = []
    for output in known.card.outputs:
        apart = max(
            float(np.abs(a[output.name] - b[output.name]).max()) for a, b in zip(single, joint, strict=True)
        )
        name = f"batch 1 from {ROWS}"
        figures.append(Figure(output.name, name, apart, output.unit, bounds[output.name]))
    return figures


def _decisions(known: Known, got: Sequence[Outputs]) -> Iterator[Figure]:
    """Of the multitask network: what a table would say otherwise."""
    if known.card.name != "multitask":
        return
    logits, au = (known.pairs(name, got) for name in ("emotion_logits", "au"))
    first, present = ([values.argmax(axis=1) for values in logits], [values >= PRESENT for values in au])
    for of, (want, have) in (("emotion labels", first), (f"action units from {PRESENT:g} on", present)):
        yield Figure(of, "decided otherwise", float((want != have).mean()), "share")
