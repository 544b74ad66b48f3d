"""A bundle on its way to a machine of a cluster that lacks it."""

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from of3.engines.bundle import BundleError
from of3.engines.manifest import read_bundle
from of3.runtime.options import Options
from of3.runtime.runs.shards.plan import publish_folder, unique
from of3.runtime.types import RunError

Files = Mapping[str, bytes]  # by path below a folder


def bundle_files(options: Options) -> dict[str, bytes]:
    """The bundle and the reference pictures; no plans, which are only ever opened where they were built."""
    bundle, pictures = options.bundle, options.of3_root / "images" / "au"
    found = {f"bundle/{path.name}": path.read_bytes() for path in bundle.iterdir() if path.is_file()}
    names = pictures.glob("*.png") if pictures.is_dir() else []
    return found | {f"root/images/au/{path.name}": path.read_bytes() for path in names}


def located(options: Options, digest: str, fetch: Callable[[], Files]) -> Options:
    """The options with a bundle that is there on this machine and has this digest.  Raises RunError.

    Files that are fetched are kept in the temporary folder, once a machine.
    """
    if options.bundle.exists():
        return _checked(options, digest)
    owner = os.getuid() if hasattr(os, "getuid") else 0
    place = Path(tempfile.gettempdir()) / f"of3-bundles-{owner}"
    place.mkdir(mode=0o700, exist_ok=True)
    final = place / digest
    with FileLock(place / f"{digest}.lock"):
        if not final.exists():
            temporary = place / unique("writing")
            for name, content in fetch().items():
                path = temporary / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            publish_folder(temporary, final)
    return _checked(replace(options, bundle=final / "bundle", of3_root=final / "root"), digest)


def _checked(options: Options, digest: str) -> Options:
    try:
        found = read_bundle(options.bundle).digest
    except BundleError as error:
        raise RunError(str(error)) from error
    if found != digest:
        raise RunError(
            f"{options.bundle}: got a bundle of digest {found}, want {digest}, as where the run began"
        )
    return options
