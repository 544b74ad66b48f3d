"""One pass over records -> what a page shows of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from of3.runtime.logs.coding import Values
from of3.runtime.logs.columns import legible
from of3.runtime.logs.items import path_of
from of3.runtime.logs.store import Store
from of3.runtime.report.batch import Batch, batch_of
from of3.runtime.report.poses import Poses
from of3.runtime.report.repeats import Alike, Repeats
from of3.runtime.report.summary import Summary
from of3.runtime.vision.lens import USUAL, Lens
from of3.runtime.vision.pose import Camera


@dataclass(slots=True)
class Gathered:
    """Of the pictures of a log folder, or of the frames of all its videos."""

    poses: Poses
    summary: Summary = field(default_factory=Summary)
    repeats: Repeats = field(default_factory=Repeats)
    documents: list[Mapping[str, Any]] = field(default_factory=list)  # what each process did

    def add(self, store: Store, camera: Camera | Lens = USUAL) -> Iterator[tuple[Batch, list[Values]]]:
        """Its rows as they are counted: arrays, and as `coding.ROW_READ`.

        camera: of a video.  Raises RunError where it is damaged.
        """
        self.documents += [session.made for session in store.sessions()]
        for number, run in store.runs().items():
            for rows in store.batches(number):
                batch = batch_of(rows, run.names, self.summary.pictures)
                self.summary.add(batch)
                self.poses.add(batch.rows, run.names, camera)
                yield batch, rows

    def add_pictures(self, store: Store, shown: Callable[[int], None]) -> None:
        """shown: called with how many more were counted."""
        for batch, _ in self.add(store):
            self.repeats.add(batch)
            shown(len(batch.pictures))

    def alike(self, store: Store) -> Alike:
        count, groups = self.repeats.groups()
        wanted = {number for group in groups for number in group}
        paths = dict[int, str]()
        if wanted:
            for number, path in enumerate(islice(_paths(store), max(wanted) + 1)):
                if number in wanted:
                    paths[number] = legible(path)
        return Alike(count, [[paths[number] for number in group] for group in groups])


def _paths(store: Store) -> Iterator[str]:
    """Of all pictures, in the order in which they are gathered."""
    for number in store.runs():
        for done in store.done(number):
            yield path_of(done.key)
