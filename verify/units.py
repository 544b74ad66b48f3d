"""Which output answers to which action unit: the reference pictures, as `of3 run` calibrates by them."""

from collections.abc import Mapping, Sequence

from of3.runtime.runs.calibrate import Calibration, calibration_of
from of3.runtime.types import Floats, Image
from of3.runtime.vision.outputs import plausible
from of3.verify.finding import Figure, Finding, HeatMap
from of3.verify.fp32 import Fp32, faces_of
from of3.verify.subject import Subject

CHECK, ITEM = "action units", "order of outputs"
ADOPTED = (
    "`of3 run` reads the action units by the measured order unless --no_calib is on; per_image/*.tsv holds the "
    "raw order"
)
KEPT = "`of3 run` keeps the documented order; look at the heat map, and trust the units of these pictures less"


def finding(subject: Subject, fp32: Fp32) -> Finding:
    card = subject.bundle.model("multitask").input

    def score(images: Sequence[Image]) -> Floats:
        return plausible("au", fp32.run("multitask", faces_of(card, [image.pixels for image in images]))["au"])

    made = calibration_of(subject.bundle, subject.references, None, True, score)
    return judged(made, subject.bundle.labels.aus)


def judged(made: Calibration, aus: tuple[int, ...]) -> Finding:
    """Holds where every picture lights up the output of its own unit most, as documented."""
    if made.assigned is None:
        remedy = f"put the reference pictures au_N.png of {', '.join(map(str, aus))} there"
        return Finding(CHECK, ITEM, "cannot tell", made.note, remedy)
    figures = [
        Figure(f"au_{au}.png", "margin over the next output", margin, "presence", at_least=0.0)
        for au, margin in zip(aus, made.row_margins, strict=True)
    ]
    shown = [_heat_map(made, made.assigned, aus)]
    if made.ambiguous:
        return Finding(CHECK, ITEM, "cannot tell", made.note, KEPT, figures, shown)
    moved = [f"output {at} answers to AU{au}" for au, at in made.assigned.items() if aus[at] != au]
    if moved:
        said = f"permuted: {', '.join(moved)}; in the documented order {_documented(made.assigned, aus)}"
        return Finding(CHECK, ITEM, "does not hold", said, ADOPTED, figures, shown)
    return Finding(CHECK, ITEM, "holds", made.note, "", figures, shown)


def _documented(assigned: Mapping[int, int], aus: tuple[int, ...]) -> str:
    return ", ".join(f"{at} is AU{aus[at]}" for at in sorted(assigned.values()) if assigned[aus[at]] != at)


def _heat_map(made: Calibration, assigned: Mapping[int, int], aus: tuple[int, ...]) -> HeatMap:
    return HeatMap(
        "Presence by reference picture and output",
        [f"au_{au}.png" for au in aus],
        [f"{at}: AU{au}" for at, au in enumerate(aus)],
        made.matrix,
        [assigned[au] for au in aus],
    )
