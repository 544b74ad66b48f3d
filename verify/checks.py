"""The order of the checks."""

import logging
from collections.abc import Iterator

from of3.runtime.types import PictureError
from of3.verify import emotions, engines, gaze, landmarks, origin, pytorch, units
from of3.verify.finding import Finding
from of3.verify.fp32 import Fp32, known_of
from of3.verify.subject import Subject

log = logging.getLogger(__name__)


def findings(subject: Subject) -> Iterator[Finding]:
    """One item after the other, each as soon as it is measured.  Raises EngineUnavailable, BundleError."""
    yield from origin.findings(subject)
    with Fp32(subject.bundle) as fp32:
        log.info("running the networks in fp32 on %d pictures", len(subject.compared))
        known = known_of(fp32, subject.compared)
        yield from pytorch.findings(subject, known)
        yield from engines.findings(subject.bundle, known, engines.kinds_here())
        for part in (units, gaze, emotions):
            try:
                yield part.finding(subject, fp32)
            except PictureError as error:
                yield Finding(part.CHECK, part.ITEM, "does not hold", str(error), "run `of3 export --force`")
        yield from landmarks.findings(subject, fp32)
