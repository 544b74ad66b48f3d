"""98 landmarks in WFLW's order -> the 68 of iBUG's scheme, as everybody chooses them."""

from collections.abc import Iterator

from of3.runtime.tables.form import BLANK, Cell, single

JAW = range(0, 33, 2)
BROWS = (*range(33, 38), *range(42, 47))
NOSE = range(51, 60)
EYES = (60, 61, 63, 64, 65, 67, 68, 69, 71, 72, 73, 75)
MOUTH = range(76, 96)
OF_98 = (*JAW, *BROWS, *NOSE, *EYES, *MOUTH)
POINTS = len(OF_98)


def landmark_cells(points: int) -> Iterator[Cell]:
    """x_0 ... y_67.  points: landmarks that a face of ours has; 0 where they did not run."""
    places = {0: (), POINTS: range(POINTS)}.get(points, OF_98)
    for axis in "xy":
        for number in range(POINTS):
            yield single(f"{axis}_{number}", 2, "px"), f"{axis}_{places[number]}" if places else BLANK
