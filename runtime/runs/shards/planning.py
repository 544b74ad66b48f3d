"""What is left to do of a run by many, as a plan: one that is under way, or a new one."""

import contextlib
import logging
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from of3.runtime.logs.folder import Mode, check_identity, what_stays
from of3.runtime.options import Options
from of3.runtime.runs.flags import bundle_of, identity_of, mode_of, to_json
from of3.runtime.runs.listing import Already, listing_of
from of3.runtime.runs.lock import Held, locked
from of3.runtime.runs.shards.plan import (
    Plan,
    clear,
    find_plan,
    make_plan,
    publish,
    replace_plan,
    size_of_shards,
)
from of3.runtime.runs.shards.results import todo
from of3.runtime.types import RunError

LOOK_EVERY_S = 1.0

log = logging.getLogger(__name__)


def plans(options: Options, logs: Path, workers: int) -> Iterator[Plan]:
    """What is left of a plan that was begun, then a plan of the pictures that have no row yet."""
    clear(logs)
    asked, mode = asked_of(options), mode_of(options)
    found = None if options.override and not mode.resume else find_plan(logs)
    if found is not None:
        is_same = _is_same(found, asked, must=not found.is_merged and not options.override)
        if is_same and not found.is_merged:
            log.info("going on with the plan of %s, %d pictures", found.made, found.pictures)
            yield found
        if is_same:
            mode = Mode(resume=True)
    made = planned(options, logs, workers, mode, asked)
    if made.pictures:
        yield replace_plan(logs, made.folder)
    else:
        clear(logs)
        log.info("nothing to do: all %d pictures have their rows; --override starts anew", made.images)


def _is_same(plan: Plan, asked: dict[str, Any], must: bool) -> bool:
    """Whether a plan is of the run asked for.  Raises RunError, naming the differences, where it must be."""
    pinned = plan.pinned()
    known = pinned.run.identity if pinned else plan.identity
    try:
        both = asked.keys() & known.keys()
        check_identity({name: known[name] for name in both}, {name: asked[name] for name in both})
    except RunError:
        if must:
            raise
        return False
    return True


def check_same_plan(there: Plan, made: Plan) -> None:
    """Raise RunError unless a plan that is under way is the one that would be made now."""
    if there.manifest != made.manifest or not _is_same(there, dict(made.identity), must=True):
        left = len({task.shard for task in todo(there, range(there.shards))})
        raise RunError(
            f"{there.folder}: a plan of {there.made}, {there.pictures} pictures, is under way, {left} of "
            f"{there.shards} shards are left, and the folder has changed since: do them, or pass --override"
        )


def shared_plan(options: Options, logs: Path, shares: int) -> Plan:
    """The plan of several processes that want one: the first to come makes it, and the others wait for it."""
    asked, has_told = asked_of(options), False
    while (plan := find_plan(logs)) is None:
        try:
            with locked(logs):
                clear(logs)
                return find_plan(logs) or _published(planned(options, logs, shares, mode_of(options), asked))
        except Held as error:
            if not has_told:
                log.info("waiting for a plan: %s", error)
            has_told = True
            time.sleep(LOOK_EVERY_S)
    return plan


def _published(made: Plan) -> Plan:
    logs = made.folder.parent.parent
    if made.pictures:
        return publish(made.folder, logs)
    clear(logs)
    raise RunError(f"nothing to do: all {made.images} pictures have their rows: pass --override to start anew")


def planned(options: Options, logs: Path, workers: int, mode: Mode, asked: dict[str, Any]) -> Plan:
    """A plan, not yet in its place, of the pictures whose rows do not stay.  Under the lock.

    asked: what makes the rows, as far as the flags say; the plan also knows it from rows that it goes on with.
    """
    with contextlib.ExitStack() as opened:
        listing = opened.enter_context(listing_of(options))
        done: Already = tuple
        if mode.resume:
            stays = what_stays(logs, mode, asked)
            if stays is None:
                mode = Mode(override=mode.override)
            else:
                store = opened.enter_context(stays)
                asked = dict(store.run(store.last_run).identity)
                done = partial(store.done, store.last_run)
        size = size_of_shards(options.shard_size, listing.images, workers)
        return make_plan(logs, listing, done, size, mode, asked)


def asked_of(options: Options) -> dict[str, Any]:
    """What makes the rows, as far as the flags and the bundle say.  Raises RunError."""
    return identity_of(to_json(options), bundle_of(options).digest)
