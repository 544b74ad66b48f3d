"""Whether a bundle was made of the weights that lie there now."""

import hashlib
from pathlib import Path

from of3.engines.bundle import REMEDY, Bundle, BundleError


def check_current(bundle: Bundle, weights: Path) -> None:
    """Raise BundleError where a file in `weights` is another than at the export; those gone do not matter."""
    others = [
        file
        for file, digest in bundle.digests.items()
        if (weights / file).is_file() and _sha256(weights / file) != digest
    ]
    if others:
        raise BundleError(
            f"{bundle.folder}: made of another {', '.join(others)} than lies in {weights}: {REMEDY}"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
