"""A run of this process over a camera or a stream, to its end.

One frame is under way at a time, with all cores on it: the newest that there is when the one before is done
with.  A second one in hand would be older when its turn comes.  On two cores a 720p frame takes as long with
the networks side by side, a core each: 387 and 392 ms, or 46 and 41 with --detector_resize 0.25 (lower
quartiles, 2026-11); what may be gained is for machines with more.
"""

import math
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from of3.runtime.live_options import OWN, SHARED_WITH_A_VIDEO, LiveOptions
from of3.runtime.logs.columns import names_of
from of3.runtime.logs.errors import Errors
from of3.runtime.logs.folder import FOLDER
from of3.runtime.logs.known import Known
from of3.runtime.logs.opening import is_there, make_folder
from of3.runtime.logs.rows import Layout
from of3.runtime.logs.tables import Table
from of3.runtime.logs.writer import write_au_info
from of3.runtime.opened import tell
from of3.runtime.runs import outlet
from of3.runtime.runs.flags import most_of, to_json
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.live_facts import LiveFacts
from of3.runtime.runs.live_pass import Ending, LivePass, Place, live_columns
from of3.runtime.runs.lock import locked
from of3.runtime.runs.outlet import Outlet
from of3.runtime.runs.session import Session
from of3.runtime.runs.watch import Watcher
from of3.runtime.sources import container
from of3.runtime.sources.address import Address, is_address, shown
from of3.runtime.sources.camera import Camera
from of3.runtime.sources.live import Feed, Played
from of3.runtime.sources.newest import Newest
from of3.runtime.tables.video_rows import following_of
from of3.runtime.video_options import OWN as OF_A_VIDEO

LIVE = "live"  # a folder
NAMED_BY = "%Y-%m-%d_%H-%M-%S"  # local time


def in_this_process(options: LiveOptions) -> None:
    """Until it is asked to end, with everything written.

    Raises RunError (exit 2); StreamLost, RunBroken (no engine is left), OSError (the logs cannot be written).
    """
    container.version("live")  # before a network is opened
    if options.lsl:
        outlet.check_there()
    folder = options.video.run.logs / FOLDER
    with locked(folder) as lock, Interruption() as interruption:
        run = replace(options.video.run, aligned=str(folder))  # nothing is read from it
        with Session(run, at_once=1) as session:
            tell(session.messages())
            _analyse(options, folder, session, Errors(folder), interruption, lock)


def _analyse(
    options: LiveOptions,
    folder: Path,
    session: Session,
    errors: Errors,
    interruption: Interruption,
    lock: Known | None,
) -> None:
    run = session.run_of(session.calibration(folder / "au_info.json"))
    write_au_info(folder, run.au_info)
    feed, points, columns = feed_of(options), run.rows.points, live_columns(run.rows.points)
    own = {name: getattr(options.video, name) for name in OF_A_VIDEO}
    watcher = Watcher(session.pipeline, following_of(own), most_of(options.video.run.faces), run.names.aus)
    sent = Outlet(options.lsl, feed.name, names_of(columns)) if options.lsl else None
    started = datetime.now().astimezone()
    path = _new_table(folder, started.strftime(NAMED_BY))
    lsl = None if sent is None else {"name": options.lsl, "source_id": sent.source_id}
    facts = LiveFacts(feed.name, feed.look, started, flags_of(options), lsl, feed.losses)
    with (
        closing(Table(path.parent, Layout(path.name, names_of(columns), ","))) as table,
        Newest(feed) as newest,
    ):
        place = Place(table, columns, path.with_suffix(".json"), sent, lock)
        gone_through = LivePass(session.pipeline, watcher, newest, facts, place)
        gone_through.write_facts()
        try:
            gone_through.go_on(Ending(interruption, options.seconds), points)
        finally:
            errors.add(facts.errors())


def feed_of(options: LiveOptions) -> Feed:
    """Open.  Raises RunError."""
    most = options.video.run.max_pixels
    if options.url is None:
        assert options.device_index is not None, "the command line has one of both"
        return Camera(options.device_index, options.camera_size, options.camera_fps, most)
    if is_address(options.url):
        return Address(options.url, options.patience, most)
    return Played(options.url, most)


def _new_table(folder: Path, name: str) -> Path:
    """Where a run that begins writes; a second one in the same second has another name."""
    make_folder(folder / LIVE)
    names = (f"{name}_{again}" if again > 1 else name for again in count(1))
    return next(path for each in names if not is_there(path := folder / LIVE / f"{each}.csv"))


def flags_of(options: LiveOptions) -> dict[str, Any]:
    """As JSON has them, without what is secret in an address."""
    of_a_run = to_json(options.video.run)
    shared = {
        name: of_a_run[name] if name in of_a_run else getattr(options.video, name)
        for name in SHARED_WITH_A_VIDEO
    }
    own = {name: getattr(options, name) for name in OWN}
    if options.url is not None and is_address(options.url):
        own["url"] = shown(options.url)
    own["seconds"] = None if math.isinf(options.seconds) else options.seconds  # JSON has no infinity
    return {**shared, **own}
