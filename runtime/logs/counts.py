"""What became of the pictures, counted."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from of3.runtime.remarks import REMARKS
from of3.runtime.types import Failure, Record


@dataclass(slots=True)
class Counts:
    """Counts grow with every result.  All but `failed` are of the done."""

    done: int = 0
    damaged: int = 0
    several_faces: int = 0
    remarked: Counter[str] = field(default_factory=Counter)  # by the words of `of3.runtime.remarks`
    failed: Counter[str] = field(default_factory=Counter)  # by the first words of the reason
    first_failed: str = ""  # its path and reason

    def count(self, result: Record | Failure) -> None:
        if isinstance(result, Failure):
            self.failed[result.reason.split(":")[0]] += 1
            self.first_failed = self.first_failed or f"{result.source}: {result.reason}"
        else:
            self.done += 1
            self.damaged += bool(result.damage)
            self.several_faces += (result.faces or 0) > 1
            self.remarked.update(result.remarks)

    def add(self, other: "Counts") -> None:
        self.done += other.done
        self.damaged += other.damaged
        self.several_faces += other.several_faces
        self.remarked += other.remarked
        self.failed += other.failed
        self.first_failed = self.first_failed or other.first_failed

    def copy(self) -> "Counts":
        copied = Counts()
        copied.add(self)
        return copied

    @property
    def total(self) -> int:
        return self.done + self.failed.total()

    def to_document(self, images: int, skipped: int) -> dict[str, Any]:
        """As run.json has them."""
        return {
            "images": images,
            "done": self.done,
            "damaged": self.damaged,
            "several_faces": self.several_faces,
            **{word: self.remarked[word] for word in REMARKS},
            "skipped": skipped,
            "failed": dict(self.failed),
        }
