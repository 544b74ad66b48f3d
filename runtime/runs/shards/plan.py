"""What a run by many processes agrees on: `<logs>/openface3/plan`, made once, then only read.

plan.json                the folder, its shards, what becomes of rows that are there
manifest.tsv, shards.tsv the pictures (see `manifest`)
run/identity.json        what makes the rows, by whoever opened a session first
parts/                   what is done (see `results`)
merging, merged          how far the merge is
"""

import os
import platform
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from of3.runtime.logs.files import replace_text, sync, synced
from of3.runtime.logs.folder import Mode
from of3.runtime.logs.items import Item
from of3.runtime.logs.made import Run, run_of
from of3.runtime.logs.opening import TEXT_BYTES, is_folder, is_there, make_folder, read_bytes, size_of
from of3.runtime.options import FLAGS
from of3.runtime.runs.flags import check_json
from of3.runtime.runs.listing import Already, FileListing
from of3.runtime.runs.runinfo import now
from of3.runtime.runs.shards import manifest
from of3.runtime.runs.shards.document import MALFORMED, check_types, read_document, text_of
from of3.runtime.types import RunError

FOLDER, FILE, PIN = "plan", "plan.json", "identity.json"
MERGING, MERGED = "merging", "merged"
FORMAT, REVISION = "of3-shards", 2  # `of3-plan` is what describes a TensorRT plan
BEFORE = "merge.json"  # how far the merge was, in 0.1
ANEW = "pass --override to make a plan anew, or another --logs"
OLD, WRITING = "plan.old", "plan.writing"
MOST_IN_SHARD, LEAST_IN_SHARD = 1000, 16  # a shard that is lost costs seconds; one begun, some milliseconds
TOKEN_BYTES = 16
SHARDS_A_WORKER = 8  # so that the last ones end at about the same time


@dataclass(frozen=True, slots=True)
class Pinned:
    """What makes the rows of a plan.  flags: every one of them."""

    run: Run
    flags: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    folder: Path
    root: str  # the folder of pictures, and the beginning of every path
    images: int  # found there
    skipped: int  # of them had their row already
    pictures: int  # to be done: in the manifest
    shard_size: int
    shards: int
    manifest: str  # sha256 of shards.tsv
    mode: Mode  # what becomes of rows that are there
    made: str  # UTC, ISO 8601
    identity: Mapping[str, Any]  # what makes the rows, as far as known when it was made
    token: str = ""  # no other plan's

    def items(self, shard: int) -> list[Item]:
        """The pictures of a shard.  Raises RunError."""
        return manifest.read_shard(self.folder, self.root, shard)

    def size(self, shard: int) -> int:
        return min(self.shard_size, self.pictures - shard * self.shard_size)

    def pinned(self) -> Pinned | None:
        """What makes the rows; None before the first session."""
        path = self.folder / "run" / PIN
        if not is_folder(path.parent) or not is_there(path):
            return None
        try:
            fields = read_document(path)
            check_types(fields, {"run": str, "flags": dict})
            check_json(fields["flags"])
            pinned = Pinned(run_of(fields["run"]), fields["flags"])
            matter = {name: value for name, value in pinned.flags.items() if FLAGS[name].matters}
            if matter != pinned.run.identity["flags"]:
                raise ValueError("its flags are not those that made the rows")
            return pinned
        except MALFORMED as error:
            raise RunError(f"{path}: not to be read ({error}): {ANEW}") from error

    def pin(self, pinned: Pinned) -> Pinned:
        """Settle it, unless another did; what is settled."""
        temporary = self.temporary("pin")
        temporary.mkdir()
        text = text_of({"run": pinned.run.to_json(), "flags": pinned.flags})
        replace_text(temporary / PIN, text, is_synced=True)
        publish_folder(temporary, self.folder / "run")
        settled = self.pinned()
        assert settled is not None
        return settled

    def mark(self, name: str) -> None:
        """MERGING: the logs hold rows of it.  MERGED: all."""
        replace_text(self.folder / name, "", self.temporary(name), is_synced=True)
        sync(self.folder)

    def is_marked(self, name: str) -> bool:
        return is_there(self.folder / name)

    @property
    def is_merged(self) -> bool:
        """Whether the logs hold all rows of the plan."""
        return self.is_marked(MERGED)

    def temporary(self, name: str) -> Path:
        """A name in the plan's folder that no other process takes."""
        place = self.folder / "writing"
        make_folder(place)
        return place / unique(name)


def unique(name: str) -> str:
    return f"{name}.{platform.node()}.{os.getpid()}.{secrets.token_hex(4)}"


def publish_folder(temporary: Path, final: Path) -> None:
    """Put a folder in its place, whole, unless one is there; of several processes the first wins."""
    try:
        temporary.rename(final)
    except OSError:
        if not is_folder(final):
            raise
        shutil.rmtree(temporary)
    else:
        sync(final.parent)


def make_plan(
    logs: Path, listing: FileListing, done: Already, shard_size: int, mode: Mode, identity: Mapping[str, Any]
) -> Plan:
    """The pictures of a listing that have no row yet -> a plan in a temporary folder beside its place.

    logs: `<logs>/openface3`, which is there.  done: what has.
    """
    folder, root = logs / WRITING / unique(FOLDER), str(Path(listing.root))
    make_folder(folder.parent)
    folder.mkdir()
    listed = manifest.write_manifest(folder, root, listing.items(done), shard_size)
    plan = Plan(
        folder=folder,
        root=root,
        images=listed.pictures + listing.skipped,
        skipped=listing.skipped,
        pictures=listed.pictures,
        shard_size=shard_size,
        shards=listed.shards,
        manifest=listed.sha256,
        mode=mode,
        made=now().isoformat(timespec="seconds"),
        identity=identity,
        token=secrets.token_hex(TOKEN_BYTES),
    )
    fields = {name: value for name, value in asdict(plan).items() if name != "folder"}
    with synced(folder / FILE) as file:
        file.write(text_of({"format": FORMAT, "revision": REVISION, **fields}).encode())
    return plan


def size_of_shards(asked: int, images: int, workers: int) -> int:
    """Pictures of a shard.  asked: 0 for as many as suit `workers` that share the images."""
    fair = -(-images // (workers * SHARDS_A_WORKER))
    return asked or max(LEAST_IN_SHARD, min(MOST_IN_SHARD, fair))


def find_plan(logs: Path) -> Plan | None:
    """The plan of a log folder.  Raises RunError: none of this version, or damaged."""
    folder = logs / FOLDER
    if not is_folder(folder):
        return None
    try:
        fields = read_document(folder / FILE)
        if (fields.pop("format"), fields.pop("revision")) != (FORMAT, REVISION):
            raise ValueError("of another version")
        return _plan(folder, fields)
    except (OSError, *MALFORMED) as error:
        if _is_of_before(folder):
            return None
        raise RunError(f"{folder}: not a plan of this version ({error}): {ANEW}") from error


def _is_of_before(folder: Path) -> bool:
    """Whether it is a plan of 0.1, and done with."""
    return is_there(folder / BEFORE) and b'"merged"' in read_bytes(folder / BEFORE, TEXT_BYTES)


def _plan(folder: Path, fields: dict[str, Any]) -> Plan:
    """Raises ValueError unless the fields are a plan's, and agree with each other and with its index."""
    kinds = {"root": str, "manifest": str, "mode": dict, "made": str, "identity": dict, "token": str}
    counts = ("images", "skipped", "pictures", "shard_size", "shards")
    check_types(fields, {**dict.fromkeys(counts, int), **kinds})
    check_types(fields["mode"], {"override": bool, "resume": bool})
    plan = Plan(**{**fields, "folder": folder, "mode": Mode(**fields["mode"])})
    if (
        min(plan.skipped, plan.pictures - 1, plan.shard_size - 1) < 0
        or plan.images != plan.pictures + plan.skipped
        or plan.shards != -(-plan.pictures // plan.shard_size)
        or size_of(folder / manifest.INDEX) != plan.shards * manifest.INDEX_LINE_BYTES
    ):
        raise ValueError(f"its numbers do not agree with each other or with {manifest.INDEX}")
    if not re.fullmatch(rf"[0-9a-f]{{{2 * TOKEN_BYTES}}}", plan.token):  # a text of records, which are UTF-8
        raise ValueError(f"token: got another text, want {2 * TOKEN_BYTES} hexadecimal digits")
    return plan


def clear(logs: Path) -> None:
    """End what a killed process was at, and take away plans that were never put in place.  Under the lock."""
    if is_folder(logs / OLD) and not is_folder(logs / FOLDER):
        (logs / OLD).rename(logs / FOLDER)  # it was about to be replaced
    for name in (OLD, WRITING):
        if is_folder(logs / name):
            shutil.rmtree(logs / name, ignore_errors=True)


def publish(temporary: Path, logs: Path) -> Plan:
    """Put a plan in its place unless one is there; the one that is there then."""
    publish_folder(temporary, logs / FOLDER)
    plan = find_plan(logs)
    assert plan is not None
    return plan


def replace_plan(logs: Path, temporary: Path) -> Plan:
    """Put a new plan in the old one's place; killed in between, one of the two is there."""
    old, final = logs / OLD, logs / FOLDER
    if is_folder(final):
        final.rename(old)
    plan = publish(temporary, logs)
    clear(logs)
    return plan


def unfinished(logs: Path) -> Plan | None:
    """A plan of which not all rows are in the logs."""
    plan = find_plan(logs)
    return None if plan is None or plan.is_merged else plan


def end_plan(logs: Path, is_overridden: bool) -> None:
    """Before a run of one process.  Raises RunError: rows of a plan that is under way would come twice."""
    clear(logs)
    is_folder(logs / FOLDER)
    try:
        plan = unfinished(logs)
    except RunError:
        if not is_overridden:
            raise
        shutil.rmtree(logs / FOLDER)
        return
    if plan is not None and not is_overridden:
        raise RunError(
            f"{plan.folder}: a run by many of {plan.pictures} pictures is under way: go on with its command, "
            f"or `of3 merge --logs {logs.parent}`, or pass --override to start anew"
        )
    if plan is not None:
        shutil.rmtree(plan.folder)
