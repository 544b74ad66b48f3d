"""The weight files as published, and under what terms."""

from dataclasses import dataclass

REPOSITORY = "nutPace/openface_weights"  # on the Hugging Face hub
TERMS = """\
The OpenFace 3.0 weights are published for academic, non-commercial use. ONNX
graphs and engines made from them count as the software: they may not be passed
on, nor used commercially, without the authors' licence. Read the licence that
stands with them (repository nutPace/openface_weights, and
CMU-MultiComp-Lab/OpenFace-3.0) before you accept it."""


@dataclass(frozen=True, slots=True)
class PublishedFile:
    sha256: str
    size_bytes: int | None  # where it is known


PUBLISHED = {
    "Alignment_RetinaFace.pth": PublishedFile(
        "2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220", 1_789_735
    ),
    "MTL_backbone.pth": PublishedFile(
        "72f45843c7a3ed9500835c507467f32e864a23971160f733aeb23797a05a5bcd", 101_710_914
    ),
    "Landmark_98.pkl": PublishedFile("b49eb62de453fbc3ef278c52b8f85630b536d0a43b82a92d6ff7a11485f12c2a", None),
    "Landmark_68.pkl": PublishedFile("5df84c820c9f8155ec1174252b4361bb9991271e4ffe6d0a203344eaaf95f16e", None),
}
