"""JSON files that several processes agree on: of bounded size, with a digest of what is in them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from of3.runtime.logs.opening import read_text

DIGEST = "sha256"
# What comes of a document that is another than was written: not JSON, too deep, of other fields or types.
MALFORMED = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


def text_of(fields: Mapping[str, Any]) -> str:
    return json.dumps({**fields, DIGEST: _digest(fields)}, indent=2) + "\n"


def read_document(path: Path) -> dict[str, Any]:
    """The fields that `text_of` was given.  Raises one of MALFORMED; RunError; OSError."""
    fields = json.loads(read_text(path))
    if fields.pop(DIGEST) != _digest(fields):
        raise ValueError("it was changed")
    return dict(fields)


def check_types(fields: Mapping[str, Any], want: Mapping[str, type]) -> None:
    """Raise ValueError unless the fields are those, of these types; a bool is no int."""
    if fields.keys() != want.keys():
        raise ValueError(f"got fields {', '.join(map(str, fields))}, want {', '.join(want)}")
    for name, kind in want.items():
        if type(fields[name]) is not kind:
            raise ValueError(f"{name}: got {type(fields[name]).__name__}, want {kind.__name__}")


def _digest(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
