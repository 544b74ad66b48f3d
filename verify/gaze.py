"""Which gaze output is yaw, on this machine's engine, by the export's mirror test."""

from collections.abc import Sequence

from of3.engines.base import Floats
from of3.export.mirror import CLEAR_MARGIN, UNDETERMINED, GazeOrder, mirror_test, sentence
from of3.runtime.types import Pixels
from of3.runtime.vision.outputs import plausible
from of3.verify.finding import Figure, Finding
from of3.verify.fp32 import Fp32, faces_of
from of3.verify.subject import Subject

CHECK, ITEM = "gaze", "which output is yaw"
MORE = "pass --faces FOLDER with more faces that look to the sides"
MEASURED = "run `of3 export --force`, then `of3 run --gaze_order measured`"


def finding(subject: Subject, fp32: Fp32) -> Finding:
    """On real faces and the reference pictures, as the export does.

    Raises PictureError: numbers that cannot be.
    """
    card = subject.bundle.model("multitask").input

    def gaze(pictures: Sequence[Pixels]) -> Floats:
        return plausible("gaze_rad", fp32.run("multitask", faces_of(card, pictures))["gaze_rad"])

    pictures = [picture.pixels for picture in (*subject.faces, *subject.parts)]
    return judged(mirror_test(gaze, pictures), subject.bundle.labels.gaze)


def judged(found: GazeOrder, labels: tuple[str, ...]) -> Finding:
    """labels: the order that tables have, unless another is asked for."""
    figures = [
        Figure(f"output {channel}, called {name}", what, value, "share")
        for channel, name in enumerate(labels)
        for what, values in (
            ("odd share, 1 where the mirror changes the sign", found.odd_share),
            ("signs that change", found.sign_changes),
        )
        for value in values[channel : channel + 1]
    ]
    figures.append(Figure("both outputs", "odd shares apart", found.margin, "share", at_least=CLEAR_MARGIN))
    said = sentence(found)
    if found.order == UNDETERMINED:
        return Finding(CHECK, ITEM, "cannot tell", said, MORE, figures)
    if tuple(found.order.split("_")) != labels:
        said = f"swapped: {said}; tables call output 0 {labels[0]}"
        return Finding(CHECK, ITEM, "does not hold", said, MEASURED, figures)
    return Finding(CHECK, ITEM, "holds", said, "", figures)
