"""A picture's faces: cut out one by one, analysed among those of other pictures, and put together again."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from of3.runtime.boundary import or_failure
from of3.runtime.steps import Found, Steps
from of3.runtime.types import Analysis, Failure, K, Record, Sample, Searched
from of3.runtime.vision import detect

J = TypeVar("J")  # what comes with a sample
Cut = Callable[[tuple[J, Searched | Failure]], Sequence[tuple[J, Sample | Failure]]]


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """A picture in which faces were looked for."""

    source: str
    size_px: tuple[int, int]  # width, height
    damage: str
    faces: int  # results that are to come; one, that there is none, where it has none


@dataclass(frozen=True, slots=True, eq=False)
class Place(Generic[K]):
    """Whose a sample is.  picture: None where it is the picture's only one, come of it as it is."""

    key: K
    picture: Looked | None = None
    is_taken: bool = True  # where a picture is asked for one face


def one_of(steps: Steps) -> Cut[K]:
    """A picture -> its face, or the failure that it has none."""
    locate, crop = or_failure("detect", steps.one_face), or_failure("crop", steps.sample)

    def cut(searched: tuple[K, Searched | Failure]) -> Sequence[tuple[K, Sample | Failure]]:
        return [crop(locate(searched))]

    return cut


def every_of(steps: Steps, most: int) -> Cut[Place[K]]:
    """A picture -> its faces, each a sample or a failure.  most: of them, 0 for all."""
    look = or_failure("detect", partial(steps.every_face, most=most))
    check, crop = or_failure("detect", detect.checked), or_failure("crop", steps.sample)

    def cut(searched: tuple[Place[K], Searched | Failure]) -> Sequence[tuple[Place[K], Sample | Failure]]:
        place, found = look(searched)
        if isinstance(found, Failure):
            return [(place, found)]
        looked = _looked(found)
        if not found.faces:
            return [(Place(place.key, looked), Failure(found.source, "detect", detect.NO_FACE))]
        places = (Place(place.key, looked, number == found.taken) for number in range(len(found.faces)))
        return [crop(check(placed)) for placed in zip(places, found.faces, strict=True)]

    return cut


def _looked(found: Found) -> Looked:
    image, (height, width) = found.image, found.image.pixels.shape[:2]
    return Looked(image.source, (width, height), image.damage, len(found.faces))


def gathered(
    batches: Iterable[Sequence[tuple[Place[K], Record | Failure]]],
) -> Iterator[Sequence[tuple[K, Analysis | Failure]]]:
    """Faces' results, some at a time -> those of the pictures whose last face is among them."""
    held: list[tuple[Place[K], Record | Failure]] = []
    for batch in batches:
        whole = []
        for place, result in batch:
            held.append((place, result))
            if place.picture is None or len(held) >= place.picture.faces:
                whole.append((place.key, _analysis(held)))
                held = []
        if whole:
            yield whole


def _analysis(results: Sequence[tuple[Place[K], Record | Failure]]) -> Analysis | Failure:
    """All that came of a picture.  A Failure: it could not be read, or not be looked at."""
    (whose, first), *_ = results
    picture = whose.picture
    if picture is None:
        if isinstance(first, Failure):
            return first
        assert first.size_px is not None
        return Analysis(first.source, first.size_px, (first,), (), first, first.damage)
    taken = next(result for place, result in results if place.is_taken)
    faces = tuple(result for _, result in results if isinstance(result, Record))
    failed = tuple(result for _, result in results if isinstance(result, Failure)) if picture.faces else ()
    return Analysis(picture.source, picture.size_px, faces, failed, taken, picture.damage)
