"""Where the labels of faces stand: each by its face, in the picture, over no other face where there is room."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from of3.runtime.drawing.face import DrawnFace

# Heights of capital letters.  7 px are read at 240p; a 70th of the picture's height, where it fills a screen.
LEAST_PX, OF_PICTURE, OF_FACE = 7.0, 1 / 70, 1 / 30
# What is in a label, in heights of a capital letter.
PADDING, GAP, BAR, PITCH, PREFIX = 0.6, 0.6, 2.2, 2.3, 2.3
COLUMNS = 8  # the eight action units
WIDTH = 2 * PADDING + PREFIX + COLUMNS * PITCH
HEIGHT = 2 * PADDING + 1 + GAP + BAR + GAP + 1
NARROWEST_PX = 4.0  # letters of a picture that is too small for a label


@dataclass(frozen=True, slots=True)
class Rectangle:
    x: int
    y: int
    width: int
    height: int

    def meets(self, other: "Rectangle") -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )

    def within(self, width: int, height: int) -> bool:
        return self.x >= 0 and self.y >= 0 and self.x + self.width <= width and self.y + self.height <= height


@dataclass(frozen=True, slots=True)
class Placed:
    """A label's place, and how high its capital letters are."""

    at: Rectangle
    letter_px: float


def letter_px(side_px: float, width: int, height: int) -> float:
    """As high as a face of that size, and the picture, ask for, and no more than lets a label fit in."""
    wanted = max(LEAST_PX, height * OF_PICTURE, min(side_px, height) * OF_FACE)
    return max(min(wanted, width / WIDTH, height / HEIGHT / 1.5), NARROWEST_PX)


def placed(faces: Sequence[DrawnFace], width: int, height: int) -> list[Placed]:
    """One for each face, in a picture of this size; the largest faces have the first choice."""
    boxes = [_box(face) for face in faces]
    found: dict[int, Placed] = {}
    for index in sorted(range(len(faces)), key=lambda index: -faces[index].side_px):
        letter = letter_px(faces[index].side_px, width, height)
        size = min(round(WIDTH * letter), width), min(round(HEIGHT * letter), height)
        taken = [each.at for each in found.values()]
        at = _best(boxes[index], size, (width, height), taken, boxes)
        found[index] = Placed(at, letter)
    return [found[index] for index in range(len(faces))]


def _best(
    box: Rectangle,
    size: tuple[int, int],
    picture: tuple[int, int],
    labels: Sequence[Rectangle],
    boxes: Sequence[Rectangle],
) -> Rectangle:
    """The first place where it hides nobody; or no label; or within its own face, at its lower end."""
    places = [each for each in _places(box, size, picture) if each.within(*picture)]
    free = (each for each in places if not any(each.meets(other) for other in (*labels, *boxes)))
    apart = (each for each in places if not any(each.meets(other) for other in labels))
    lowest = box.y + box.height - size[1]
    inside = Rectangle(_into(box.x, size[0], picture[0]), _into(lowest, size[1], picture[1]), *size)
    return next(chain(free, apart), inside)


def _places(box: Rectangle, size: tuple[int, int], picture: tuple[int, int]) -> Iterator[Rectangle]:
    """Below, above, to the right, to the left."""
    width, height = size
    x, y, gap = _into(box.x, width, picture[0]), _into(box.y, height, picture[1]), max(2, height // 12)
    yield Rectangle(x, box.y + box.height + gap, width, height)
    yield Rectangle(x, box.y - gap - height, width, height)
    yield Rectangle(box.x + box.width + gap, y, width, height)
    yield Rectangle(box.x - gap - width, y, width, height)


def _into(start: int, length: int, whole: int) -> int:
    """Moved so that all of it lies in the picture."""
    return max(min(start, whole - length), 0)


def _box(face: DrawnFace) -> Rectangle:
    x1, y1, x2, y2 = (round(side) for side in face.box_px)
    return Rectangle(x1, y1, x2 - x1, y2 - y1)
