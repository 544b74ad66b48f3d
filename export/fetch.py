"""`of3 fetch-weights`: the published weight files into an OpenFace folder, checked, whole or not at all."""

import argparse
import hashlib
import logging
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from of3.engines.errors import Error
from of3.export.published import PUBLISHED, REPOSITORY, TERMS, PublishedFile
from of3.runtime.commands.arguments import url
from of3.runtime.commands.parser import Parser
from of3.runtime.runs.console import log_to_stderr

log = logging.getLogger(__name__)

PARTS = ".fetch"  # beside the weights: what is there of files that are not whole
ANSWERS_WITHIN_S = 5.0
INSTALL = "pip install 'of3[fetch]'"
LANDMARKS = {"98": ("Landmark_98.pkl",), "68": ("Landmark_68.pkl",), "none": ()}


class FetchFailed(Error):
    """A file that could not be had, or is not the published one."""


def main(argv: Sequence[str]) -> int:
    """Exit status: 0 every file is there, 1 one is not, 2 the licence is not accepted or a package missing."""
    log_to_stderr()
    given = parse(argv)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import huggingface_hub
    except ImportError as error:
        log.error("%s: fetching needs %s", error, INSTALL)
        return 2
    log.debug("huggingface_hub %s", huggingface_hub.__version__)
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it says each retry in two lines, twice
    if not given.accept_license:
        print(TERMS, file=sys.stderr)
        if not is_accepted():
            log.error("nothing fetched: the licence was not accepted (--accept_license accepts it)")
            return 2
    wanted = {name: PUBLISHED[name] for name in names_of(given.landmarks)}
    try:
        fetch(given.weights or given.of3_root / "weights", wanted, given.endpoint)
    except (FetchFailed, OSError) as error:
        log.error("%s", error)
        return 1
    except KeyboardInterrupt:
        log.error("interrupted: what is there so far is gone on with the next time")
        return 130
    return 0


def parse(argv: Sequence[str]) -> argparse.Namespace:
    made = Parser(prog="of3 fetch-weights", description=__doc__, allow_abbrev=False)
    made.add_argument("--of3_root", metavar="DIR", type=Path, required=True, help="OpenFace-3.0 folder")
    made.add_argument("--weights", metavar="DIR", type=Path, help="where to (<of3_root>/weights)")
    made.add_argument(
        "--landmarks", choices=tuple(LANDMARKS), default="98", help="which landmark network (98 points)"
    )
    made.add_argument("--accept_license", action="store_true", help="accept the licence without being asked")
    made.add_argument("--endpoint", type=url, metavar="URL", help="another server of the same layout, a mirror")
    return made.parse_args(argv)


def names_of(landmarks: str) -> tuple[str, ...]:
    """Files of the networks, with those of the landmark network asked for."""
    return ("Alignment_RetinaFace.pth", "MTL_backbone.pth", *LANDMARKS[landmarks])


def is_accepted() -> bool:
    """Whether the terms that were shown are; where nobody can be asked they are not."""
    if not sys.stdin.isatty():
        return False
    return input("Do you accept the licence? [y/N] ").strip().lower() in ("y", "yes")


def fetch(weights: Path, wanted: Mapping[str, PublishedFile], endpoint: str | None) -> None:
    """Bring every file that is not there yet.

    Raises FetchFailed: not to be had, or not the published file, which is then deleted; or another file
    stands in its place, which is left alone.
    """
    weights.mkdir(parents=True, exist_ok=True)
    for name, published in wanted.items():
        path = weights / name
        if path.exists():
            _check(path, published, "move it away if it may be replaced")
            log.info("%s is there", path)
            continue
        _reach(name, endpoint)
        part = _download(weights / PARTS, name, endpoint)
        try:
            _check(part, published, "deleted; fetch again, and if it comes again tell the publisher")
        except FetchFailed:
            part.unlink()
            raise
        part.replace(path)
        log.info("%s, %d bytes, sha256 as published", path, path.stat().st_size)
    shutil.rmtree(weights / PARTS, ignore_errors=True)


def _reach(name: str, endpoint: str | None) -> None:
    """Raise FetchFailed where no server answers; the download itself would try for half a minute."""
    from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url

    address = hf_hub_url(REPOSITORY, name, endpoint=endpoint)
    broken = errors.HTTPError  # type: ignore[attr-defined]  # of the HTTP library this version is built on
    try:
        get_hf_file_metadata(address, timeout=ANSWERS_WITHIN_S)
    except (errors.HfHubHTTPError, errors.FileMetadataError):
        return  # it has answered, and the download says what
    except (OSError, ValueError, broken) as error:
        raise FetchFailed(
            f"{name}: no answer from {urlsplit(address).netloc} ({error}): look at the connection or the proxy "
            "(HTTPS_PROXY), or pass a mirror as --endpoint URL"
        ) from error


def _download(folder: Path, name: str, endpoint: str | None) -> Path:
    """A file of the repository, gone on with where an earlier try ended.  Raises FetchFailed."""
    from huggingface_hub import errors, hf_hub_download

    broken = errors.HTTPError  # type: ignore[attr-defined]  # of the HTTP library this version is built on
    try:
        return Path(hf_hub_download(REPOSITORY, name, local_dir=folder, endpoint=endpoint))
    except (OSError, ValueError, broken, errors.XetDownloadError) as error:
        raise FetchFailed(f"{name}: {error}: what is there so far is gone on with the next time") from error


def _check(path: Path, published: PublishedFile, remedy: str) -> None:
    """Raise FetchFailed unless the file has the published size and digest."""
    if not path.is_file():  # a named pipe would hold us for ever
        raise FetchFailed(f"{path}: not a regular file: {remedy}")
    size = path.stat().st_size
    if published.size_bytes not in (None, size):
        raise FetchFailed(f"{path}: got {size} bytes, want {published.size_bytes}: {remedy}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != published.sha256:
        raise FetchFailed(f"{path}: got sha256 {digest[:12]}…, want {published.sha256[:12]}…: {remedy}")
