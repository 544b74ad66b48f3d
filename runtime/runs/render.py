"""The seed's files anew from the records of a log folder: no picture is read and no network run."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from of3.runtime.logs import coding
from of3.runtime.logs.counts import Counts
from of3.runtime.logs.files import replace_text
from of3.runtime.logs.made import Run
from of3.runtime.logs.opening import is_there, read_text, refuse_shared, remove
from of3.runtime.logs.render import Changed, finish_replacing, is_whole, render_tables
from of3.runtime.logs.rows import FILES
from of3.runtime.logs.store import FILE, Store, open_store
from of3.runtime.logs.tables import has_rows
from of3.runtime.logs.video import recorded_stems
from of3.runtime.logs.writer import Writer, write_au_info
from of3.runtime.runs import runinfo
from of3.runtime.runs.lock import locked
from of3.runtime.runs.progress import progress_bar
from of3.runtime.runs.reading import check_there
from of3.runtime.types import RunError


def render(folder: Path, changes: Mapping[str, Any]) -> None:
    """folder: `<logs>/openface3`.  changes: to `RowOptions`, by name; the others stay as they were.

    Raises RunError: no records, damaged, or a table that others have changed; OSError.
    """
    path = records_of(folder)
    with locked(folder), open_store(path) as store:
        for name in FILES:
            refuse_shared(folder / name)
        finish_replacing(store, folder)
        _check_tables(store, folder)
        before = store.runs()
        runs = {number: changed(run, changes) for number, run in before.items()}
        _render_files(store, folder, before, runs)  # while the records say what was asked for before
        render_tables(store, folder, runs)
        wanted = {layout.file for run in runs.values() for layout in run.rows.layouts}
        for path in (folder / name for name in FILES if name not in wanted):
            if not has_rows(path):  # of others'
                remove(path)
        write_au_info(folder, runs[store.last_run].au_info)
        _note_flags(folder / runinfo.FILE, changes)


def records_of(folder: Path) -> Path:
    """The records of a log folder.  Raises RunError where there are none."""
    check_there(folder)
    if not is_there(folder / FILE):
        if any(recorded_stems(folder)):
            raise RunError(f"{folder}: holds videos and no pictures: read_logs reads their tables")
        raise RunError(f"{folder / FILE}: not there: a run of this version writes it, one of 0.1 did not")
    return folder / FILE


def _check_tables(store: Store, folder: Path) -> None:
    try:
        for name in FILES:
            is_whole(store, folder, name)
    except Changed as error:
        raise RunError(f"{error}: move that table away, and it is written anew") from error


def changed(run: Run, changes: Mapping[str, Any]) -> Run:
    """As if it had been made with these flags."""
    flags = {**run.identity.get("flags", {}), **changes}
    return replace(run, rows=replace(run.rows, **changes), identity={**run.identity, "flags": flags})


def _render_files(store: Store, folder: Path, before: Mapping[int, Run], runs: Mapping[int, Run]) -> None:
    """Per-image files; those that are there as they should be are left alone."""
    if not store.has_landmarks() and not any(run.rows.per_image for run in (*before.values(), *runs.values())):
        return
    total, counts = sum(store.counts(number).total for number in runs), Counts()
    with progress_bar(total) as shown:
        for number, run in runs.items():
            with Writer(folder, run.root, run.rows) as writer:
                for rows in store.batches(number):
                    for item, result in coding.results(rows, run.names):
                        writer.renew(result, item, before[number].rows)
                        counts.count(result)
                    shown(counts)


def _note_flags(path: Path, changes: Mapping[str, Any]) -> None:
    """In run.json, where there is one."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        document = json.loads(read_text(path))
        document["flags"].update(changes)
        replace_text(path, json.dumps(document, indent=2) + "\n")
