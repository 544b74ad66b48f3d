"""Words on the command line -> values."""

import argparse
import os
import re
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from of3.engines.registry import PRECISIONS, kind_named
from of3.runtime.settings import MOST_RESIZE, Faces, Resize

ON = {"on", "1", "true", "yes", "y"}
MOST_SHARES = 100_000  # one that has no shard to do is idle; so many processes nobody has
UNITS = {"": 0, "K": 10, "M": 20, "G": 30}  # powers of two
OFF = {"off", "0", "false", "no", "n"}


def on_off(text: str) -> bool:
    """Raises ArgumentTypeError unless `text` is one of the accepted words."""
    word = text.lower()
    if word not in ON | OFF:
        raise argparse.ArgumentTypeError(f"got {text!r}, want on or off")
    return word in ON


def positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"got {text}, want a number above 0")
    return number


def resize_or_auto(text: str) -> Resize:
    if text == "auto":
        return "auto"
    number = positive(text)
    if number > MOST_RESIZE:
        raise argparse.ArgumentTypeError(f"got {text}, want {MOST_RESIZE:g} at most")
    return number


def finite(text: str) -> float:
    """NaN and infinities are no thresholds, nor JSON."""
    number = float(text)
    if not isfinite(number):
        raise argparse.ArgumentTypeError(f"got {text}, want a number")
    return number


def faces(text: str) -> Faces:
    words: Mapping[str, Faces] = {"best": "best", "all": "all"}
    if text in words:
        return words[text]
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"got {text!r}, want best, all, or how many")
    return int(text)


def count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"got {text}, want 0 or more")
    return number


def natural(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"got {text}, want 1 or more")
    return number


def seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"got {text}, want seconds, 0 or more")
    return number


def count_or_auto(text: str) -> int:
    """ "auto" -> 0."""
    if text == "auto":
        return 0
    number = count(text)
    if number == 0:
        raise argparse.ArgumentTypeError("got 0, want 1 or more, or auto")
    return number


def count_or_all(text: str) -> int:
    """ "all" -> 0."""
    return 0 if text == "all" else natural(text)


def bytes_or_auto(text: str) -> int:
    """ "512M", "2G", "1000000" -> bytes; "auto" -> 0."""
    if text == "auto":
        return 0
    found = re.fullmatch(r"([1-9]\d{0,14})([KMG]?)", text.upper())
    if not found:
        raise argparse.ArgumentTypeError(f"got {text!r}, want bytes such as 512M or 2G, or auto")
    return int(found[1]) << UNITS[found[2]]


def precisions(text: str) -> tuple[str, ...]:
    """Comma-separated."""
    asked = tuple(text.split(","))
    unknown = [name for name in asked if name not in PRECISIONS]
    if unknown:
        raise argparse.ArgumentTypeError(f"got {', '.join(unknown)}, want some of {','.join(PRECISIONS)}")
    return asked


def engine(text: str) -> str:
    """The name of a kind of engine, or "auto"."""
    if text != "auto":
        try:
            kind_named(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
    return text


def suffixes(text: str) -> str:
    """Comma-separated, with or without their dots -> in lower case, without."""
    asked = dict.fromkeys(suffix.strip().lstrip(".").lower() for suffix in text.split(","))
    if not all(asked) or any(os.sep in suffix for suffix in asked):
        raise argparse.ArgumentTypeError(f"got {text!r}, want suffixes: jpg,png")
    return ",".join(asked)


def share(text: str) -> tuple[int, int]:
    """ "i/n" -> (i mod n, n): i may count from 0 or from 1."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 0 <= int(found[1]) <= int(found[2]) or int(found[2]) == 0:
        raise argparse.ArgumentTypeError(f"got {text!r}, want i/n with i from 0 to n-1, or from 1 to n")
    part, of = int(found[1]), int(found[2])
    if of > MOST_SHARES:
        raise argparse.ArgumentTypeError(f"got {of} shares, want at most {MOST_SHARES}")
    return part % of, of


def size(text: str) -> tuple[int, int]:
    """ "WIDTHxHEIGHT", in pixels."""
    found = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", text)
    if not found:
        raise argparse.ArgumentTypeError(f"got {text!r}, want WIDTHxHEIGHT such as 1280x720")
    return int(found[1]), int(found[2])


def url(text: str) -> str:
    if not re.match(r"https?://[^/]", text):
        raise argparse.ArgumentTypeError(f"got {text!r}, want http://... or https://...")
    return text


def add_places(made: argparse.ArgumentParser, bundle: str) -> None:
    """Where weights and bundle are; `completed` fills in what is not said.  bundle: what it is for."""
    made.add_argument("--of3_root", required=True, type=Path, metavar="DIR", help="OpenFace-3.0 folder")
    made.add_argument("--weights", type=Path, metavar="DIR", help="weights (<of3_root>/weights)")
    made.add_argument("--bundle", type=Path, metavar="DIR", help=f"{bundle} (<weights>/of3_bundle)")


def completed(given: argparse.Namespace) -> argparse.Namespace:
    given.weights = given.weights or given.of3_root / "weights"
    given.bundle = given.bundle or given.weights / "of3_bundle"
    return given


def add_precisions(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--precision",
        type=precisions,
        default=PRECISIONS,
        metavar="LIST",
        help="graphs to write, of fp32,fp16,bf16 (all); fp32 is always written",
    )


# What reads the words of an option (`of3.runtime.options.Flag.parse`), and what stands for them in the help.
READERS: Mapping[str, Callable[[str], Any]] = {
    "text": str,
    "number": finite,
    "on_off": on_off,
    "positive": positive,
    "resize_or_auto": resize_or_auto,
    "faces": faces,
    "count": count,
    "natural": natural,
    "seconds": seconds,
    "count_or_auto": count_or_auto,
    "bytes_or_auto": bytes_or_auto,
    "share": share,
    "size": size,
    "suffixes": suffixes,
    "engine": engine,
}
METAVARS = {"on_off": "on|off", "count_or_auto": "N|auto", "number": "FLOAT"}
