"""Videos shared out to processes of this machine: every n-th one each."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.context import SpawnProcess

from of3.engines import host
from of3.runtime.logs.errors import Errors
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.job import GOES_ON
from of3.runtime.runs.lock import locked
from of3.runtime.runs.video_job import asked_for, check_not_begun
from of3.runtime.types import RunBroken
from of3.runtime.video_options import VideoOptions

LOOK_EVERY_S = 0.2

Share = Callable[[VideoOptions, int], None]  # options with a shard, cores it may keep busy; ends the process


def in_processes(options: VideoOptions, share: Share) -> None:
    """Raises RunError as `in_this_process` does; RunBroken: a process did not do its share; Interrupted."""
    folder, files = asked_for(options)
    count = min(options.run.workers or host.cores(), len(files))
    cores = max(1, host.cores() // count)
    context = multiprocessing.get_context("spawn")  # nothing of this process's threads and locks
    with locked(folder), Interruption() as interruption:
        check_not_begun(options, folder, files)
        with Errors(folder):  # which is there before all of them want it
            shares = [_share_of(options, part, count) for part in range(count)]
            processes = [context.Process(target=_alone, args=(share, each, cores)) for each in shares]
            for process in processes:
                process.start()
            _wait(processes, interruption)
        interruption.check(GOES_ON)
        failed = [process.exitcode for process in processes if process.exitcode]
        if failed:
            undone = f"{len(failed)} of {count} processes did not do their share (exit status {failed[0]})"
            raise RunBroken(f"{undone}: {GOES_ON}")


def _share_of(options: VideoOptions, part: int, of: int) -> VideoOptions:
    return replace(options, run=replace(options.run, executor="", workers=0, shard=(part, of)))


def _alone(share: Share, options: VideoOptions, cores: int) -> None:
    if os.name == "posix":
        os.setpgrp()  # a terminal's interrupt comes to who started this, which passes it on, once
    share(options, cores)


def _wait(processes: Sequence[SpawnProcess], interruption: Interruption) -> None:
    """Until all have ended; a signal that came is passed on."""
    is_told = False
    while any(process.is_alive() for process in processes):
        for process in processes:
            process.join(LOOK_EVERY_S)
        if interruption.came and not is_told:
            is_told = True
            for process in processes:
                process.terminate()
