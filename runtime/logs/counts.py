"""What became of the pictures, counted."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from of3.runtime.types import Failure, Record


@dataclass(slots=True)
class Counts:
    """Counts grow with every result."""

    done: int = 0
    damaged: int = 0  # of the done
    failed: Counter[str] = field(default_factory=Counter)  # by the first words of the reason

    def count(self, result: Record | Failure) -> None:
        if isinstance(result, Failure):
            self.failed[result.reason.split(":")[0]] += 1
        else:
            self.done += 1
            self.damaged += bool(result.damage)

    def add(self, other: "Counts") -> None:
        self.done += other.done
        self.damaged += other.damaged
        self.failed += other.failed

    def copy(self) -> "Counts":
        return Counts(self.done, self.damaged, self.failed.copy())

    @property
    def total(self) -> int:
        return self.done + self.failed.total()

    def to_document(self) -> dict[str, Any]:
        return {"done": self.done, "damaged": self.damaged, "failed": dict(self.failed)}
