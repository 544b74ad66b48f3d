"""What is verified, and the pictures that it is tried on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from of3.engines.bundle import Bundle
from of3.export.pictures import draw_face
from of3.runtime.logs.columns import legible
from of3.runtime.types import PictureError, Pixels
from of3.runtime.vision.decoding import decode
from of3.runtime.vision.images import SUFFIXES, read_bytes

REFERENCES = "au"  # the folder below images/ with a part of a face for every action unit
FEWEST = 8  # pictures that the networks are compared on, made up with drawn faces
MOST_COMPARED, MOST_FACES = 16, 64  # the landmark network takes half a second a picture on two cores


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture of a face, as `of3 run` takes it.  sha256: of its file."""

    name: str
    pixels: Pixels
    sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A bundle, the weights it was made of, and pictures.

    faces: real ones.  parts: of faces, one for every action unit, from the folder `references`.  compared:
    those that networks are compared on.
    """

    bundle: Bundle
    weights: Path
    references: Path
    faces: Sequence[Picture]
    parts: Sequence[Picture]
    compared: Sequence[Pixels]

    @property
    def is_stand_in(self) -> bool:
        return self.bundle.is_stand_in


def subject_of(bundle: Bundle, root: Path, weights: Path, more: Path | None) -> Subject:
    """more: a folder of faces besides those below `root`/images."""
    found = pictures_below(root / "images", MOST_FACES)
    faces = [picture for picture in found if Path(picture.name).parts[0] != REFERENCES]
    if more is not None:
        faces += pictures_below(more, MOST_FACES - len(faces))
    parts = [picture for picture in found if picture not in faces]
    compared = [picture.pixels for picture in (*faces, *parts)][:MOST_COMPARED]
    compared += [draw_face(seed) for seed in range(FEWEST - len(compared))]
    return Subject(bundle, weights, root / "images" / REFERENCES, faces, parts, compared)


def pictures_below(folder: Path, most: int) -> list[Picture]:
    """The first `most` readable ones, in sorted order; their names are legible paths below `folder`."""
    found: list[Picture] = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES):
        if len(found) == most:
            break
        try:
            content = read_bytes(str(path))
            pixels = decode(content).pixels
        except PictureError:
            continue
        name = legible(path.relative_to(folder).as_posix())
        found.append(Picture(name, pixels, hashlib.sha256(content).hexdigest()))
    return found
