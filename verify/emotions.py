"""Which emotion each reference face gets, and whether those whose expression nobody doubts get theirs."""

from collections.abc import Mapping, Sequence

from of3.runtime.vision.multitask import softmax
from of3.runtime.vision.outputs import plausible
from of3.verify.finding import Figure, Finding, Listing
from of3.verify.fp32 import Fp32, faces_of
from of3.verify.subject import Picture, Subject

CHECK, ITEM = "emotions", "labels on faces that smile"
EXPECTED = "happy"
# By the digest of its file: a broad smile with bared teeth.  The third face of the folder pouts, the reference
# pictures of the action units are parts of faces: what they should be called is arguable, they are only shown.
SMILING: Mapping[str, str] = {
    "6af046c64b1baf3b895517b4b0244f3de68319f37f9604ab94fa598c7ed60f3b": "images/16.jpg",
    "f84f7dc5539eccca7cbc863121a5fd132df8f6646dac177973b936f3b2fe88b4": "images/89.jpg",
}
TOLD = "the other emotions stand on the comparison with PyTorch and on the weights' digest"
WRONG = "take no emotion from these weights; compare their digest with the published one, export again"

Ranking = Sequence[tuple[str, float]]  # emotion, probability; the likeliest first


def finding(subject: Subject, fp32: Fp32, smiling: Mapping[str, str] = SMILING) -> Finding:
    """smiling: what faces that smile are called, by the digest of their file.

    Raises PictureError: numbers that cannot be.
    """
    pictures = [*subject.faces, *subject.parts]
    if not pictures:
        return Finding(CHECK, ITEM, "cannot tell", "no picture below images/", _wanted(smiling))
    card = subject.bundle.model("multitask").input
    outputs = fp32.run("multitask", faces_of(card, [picture.pixels for picture in pictures]))
    logits = plausible("emotion_logits", outputs["emotion_logits"])
    labels = [label.lower() for label in subject.bundle.labels.emotions]
    rankings = [_ranking(labels, shares.tolist()) for shares in softmax(logits)]
    return judged(list(zip(pictures, rankings, strict=True)), smiling, subject.is_stand_in)


def _ranking(labels: Sequence[str], shares: Sequence[float]) -> Ranking:
    return sorted(zip(labels, shares, strict=True), key=lambda each: -each[1])


def judged(ranked: Sequence[tuple[Picture, Ranking]], smiling: Mapping[str, str], is_stand_in: bool) -> Finding:
    """Holds where every smiling face is happy first; does not where two or more are there and none is."""
    shown = [Listing("Emotions of each picture, the likeliest first", ("picture", "emotions"), _rows(ranked))]
    decisive = {smiling[picture.sha256]: ranking for picture, ranking in ranked if picture.sha256 in smiling}
    figures = [Figure(name, EXPECTED, dict(told)[EXPECTED], "probability") for name, told in decisive.items()]
    if is_stand_in:
        said = "stand-in weights know no emotions"
        return Finding(CHECK, ITEM, "cannot tell", said, "export the published weights", figures, shown)
    if not decisive:
        said = "none of the pictures whose expression is known is there"
        return Finding(CHECK, ITEM, "cannot tell", said, _wanted(smiling), figures, shown)
    first = {name: ranking[0][0] for name, ranking in decisive.items()}
    said = ", ".join(f"{name} is {emotion}" for name, emotion in first.items())
    others = [emotion for emotion in first.values() if emotion != EXPECTED]
    if not others:
        return Finding(CHECK, ITEM, "holds", f"{said}; {TOLD}", "", figures, shown)
    if len(others) < max(2, len(first)):
        remedy = "look at the table: one face alone decides nothing"
        return Finding(CHECK, ITEM, "cannot tell", said, remedy, figures, shown)
    if len(set(others)) == 1:
        said = f"swapped: {others[0]} stands where {EXPECTED} belongs: {said}"
    return Finding(CHECK, ITEM, "does not hold", said, WRONG, figures, shown)


def _rows(ranked: Sequence[tuple[Picture, Ranking]]) -> list[tuple[str, str]]:
    return [
        (picture.name, ", ".join(f"{emotion} {share:.2f}" for emotion, share in ranking))
        for picture, ranking in ranked
    ]


def _wanted(smiling: Mapping[str, str]) -> str:
    return f"put the reference faces {' and '.join(smiling.values())} of OpenFace-3.0 there"
