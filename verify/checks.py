"""The order of the checks."""

import logging
from collections.abc import Iterator

from of3.engines.bundle import BundleError
from of3.engines.registry import CPU
from of3.runtime.types import PictureError
from of3.verify import emotions, engines, files, gaze, landmarks, origin, pytorch, units
from of3.verify.finding import Finding
from of3.verify.fp32 import Fp32, known_of
from of3.verify.subject import Subject

log = logging.getLogger(__name__)


def findings(subject: Subject) -> Iterator[Finding]:
    """One item after the other, each as soon as it is measured.  Raises EngineUnavailable."""
    yield from origin.findings(subject)
    yield files.finding(subject.bundle)
    with Fp32(subject.bundle) as fp32:
        yield from _refused(fp32)
        log.info("running the networks in fp32 on %d pictures", len(subject.compared))
        known = known_of(fp32, subject.compared)
        yield from pytorch.findings(subject, known)
        yield from engines.findings(subject.bundle, known, engines.kinds_here())
        for part in (units, gaze, emotions):
            try:
                yield part.finding(subject, fp32)
            except PictureError as error:
                yield Finding(part.CHECK, part.ITEM, "does not hold", str(error), "run `of3 export --force`")
            except BundleError as error:
                yield Finding(part.CHECK, part.ITEM, "cannot tell", f"refused: {error}")
        yield from landmarks.findings(subject, fp32)


def _refused(fp32: Fp32) -> Iterator[Finding]:
    """Of networks that there is nothing of to compare PyTorch and the engines with."""
    for model, reason in fp32.refused.items():
        yield Finding(pytorch.CHECK, model, "cannot tell", f"refused: {reason}")
        yield engines.refused(engines.Variant(CPU, "fp32", tf32=False).said_of(model), reason)
