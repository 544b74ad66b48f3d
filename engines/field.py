"""A JSON value from somebody's file, and the place it stands at so that what is wrong with it can be named."""

import json
from dataclasses import dataclass
from typing import Any, TypeVar

MAX_NUMBER = 1e30
MAX_TEXT = 1000
MAX_ENTRIES = 256  # of a list or an object; the longest that we write has nine
SHOWN = 60  # characters of a value in an error

T = TypeVar("T")


def parsed(content: bytes) -> Any:
    """JSON -> its value.  Raises ValueError, also where an object has a name twice, or it is too deep."""
    try:
        return json.loads(content, object_pairs_hook=_distinct)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Python's reader takes the last of two silently; nothing of ours writes two."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{shown(name)} stands there twice")
        found[name] = value
    return found


def shown(value: object) -> str:
    """A value in an error: one line, short, and of characters that every stream takes."""
    text = ascii(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


@dataclass(frozen=True, slots=True)
class Field:
    """Every method raises a ValueError that names the place, what stands there, and what should."""

    value: Any
    place: str

    def __getitem__(self, key: str) -> "Field":
        if not isinstance(self.value, dict) or key not in self.value:
            raise ValueError(f"{self.place}: `{key}` is missing")
        return Field(self.value[key], f"{self.place}: {key}")

    def refused(self, want: str) -> ValueError:
        return ValueError(f"{self.place}: got {shown(self.value)}, want {want}")

    def of(self, kind: type[T]) -> T:
        if not isinstance(self.value, kind):
            raise ValueError(f"{self.place}: got {type(self.value).__name__}, want {kind.__name__}")
        return self.value

    def number(self, least: float = -MAX_NUMBER, most: float = MAX_NUMBER) -> float:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise ValueError(f"{self.place}: got {type(self.value).__name__}, want a number")
        if not least <= self.value <= most:  # NaN is not
            raise self.refused(f"a number from {least:g} to {most:g}")
        return float(self.value)

    def whole(self, least: int, most: int) -> int:
        """True is no number here, though Python's bool is an int."""
        if isinstance(self.value, bool) or not isinstance(self.value, int) or not least <= self.value <= most:
            raise self.refused(f"a whole number from {least} to {most}")
        return self.value

    def text(self) -> str:
        """Printable: half of a surrogate pair ends whatever writes it, a line break makes two of a row."""
        text = self.of(str)
        if not text.isprintable() or not text.strip() or len(text) > MAX_TEXT:
            raise self.refused("printable text")
        return text

    def one_of(self, *known: str) -> str:
        if self.value not in known:
            raise self.refused(f"one of {', '.join(known)}")
        return self.of(str)

    def each(self) -> list["Field"]:
        self._bounded(self.of(list))
        return [Field(value, f"{self.place}[{i}]") for i, value in enumerate(self.value)]

    def items(self) -> list[tuple[str, "Field"]]:
        """Names are printable as `text` says."""
        self._bounded(self.of(dict))
        names = [Field(name, f"{self.place}: a name").text() for name in self.value]
        return [(name, Field(self.value[name], f"{self.place}: {name}")) for name in names]

    def _bounded(self, entries: list[Any] | dict[str, Any]) -> None:
        if len(entries) > MAX_ENTRIES:
            raise ValueError(f"{self.place}: got {len(entries)} entries, want at most {MAX_ENTRIES}")


def distinct(field: Field, values: tuple[T, ...]) -> tuple[T, ...]:
    """`values`, which were read from `field`.  Raises ValueError where one stands twice."""
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise ValueError(f"{field.place}: got {shown(twice[0])} twice, want each once")
    return values
