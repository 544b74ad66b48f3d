"""What the bundle was made of, and whether its names are the documented ones in the documented order."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from of3.engines.bundle import Labels
from of3.engines.manifest import MANIFEST
from of3.export.published import PUBLISHED as FILES
from of3.runtime.logs.columns import EMOTIONS, UNITS
from of3.verify.finding import Finding
from of3.verify.subject import Subject

WEIGHTS, LABELS = "weights", "labels"
DOCUMENTED = {
    "emotions": EMOTIONS,
    "aus": UNITS,
    "gaze": ("yaw", "pitch"),
}  # arXiv 2506.02891, upstream's README
CHUNK_BYTES = 1 << 20


def findings(subject: Subject) -> Iterator[Finding]:
    document = json.loads((subject.bundle.folder / MANIFEST).read_text("utf-8"))
    for entry in document["weights"]:
        yield _source(subject, entry)
    yield labelled(subject.bundle.labels)


def _source(subject: Subject, entry: Mapping[str, Any]) -> Finding:
    """Whether a file is still the one that was exported, and the published one."""
    file, digest = entry["file"], entry["sha256"]
    path = subject.weights / file
    if not path.is_file():
        said = f"the bundle was made of sha256 {digest[:12]}…, which is not at {path}"
        return Finding(WEIGHTS, file, "cannot tell", said, "pass --weights DIR")
    with path.open("rb") as opened:
        here = hashlib.file_digest(opened, "sha256").hexdigest()
    if here != digest:
        said = f"sha256 {here[:12]}… lies there, the bundle was made of {digest[:12]}…"
        return Finding(WEIGHTS, file, "does not hold", said, "run `of3 export --force`")
    if file in FILES and FILES[file].sha256 == here:
        return Finding(WEIGHTS, file, "holds", f"the published file, sha256 {here[:12]}…")
    what = "stand-in weights" if entry["status"] == "stand-in" else "not the published file"
    want = f", published is {FILES[file].sha256[:12]}…" if file in FILES else ""
    said = f"{what}: sha256 {here[:12]}…{want}"
    return Finding(WEIGHTS, file, "cannot tell", said, "run `of3 fetch-weights`, then `of3 export --force`")


def labelled(labels: Labels) -> Finding:
    """The names in bundle.json, which tables call the numbers by."""
    found = {
        "emotions": tuple(name.lower() for name in labels.emotions),
        "aus": labels.aus,
        "gaze": labels.gaze,
    }
    wrong = [
        f"{name} {place}: got {got}, want {want}"
        for name, documented in DOCUMENTED.items()
        for place, (got, want) in enumerate(zip(found[name], documented, strict=False))
        if got != want
    ]
    wrong += [
        f"{name}: got {len(found[name])}" for name in DOCUMENTED if len(found[name]) != len(DOCUMENTED[name])
    ]
    if wrong:
        said = f"{MANIFEST}: {'; '.join(wrong)}"
        return Finding(LABELS, "order of outputs", "does not hold", said, "run `of3 export --force`")
    return Finding(
        LABELS, "order of outputs", "holds", "emotions, action units and gaze in the documented order"
    )
