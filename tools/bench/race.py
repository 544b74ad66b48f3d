"""Processes that run their pictures in turn, one round after the other."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from subprocess import PIPE, Popen

from tools.bench.command import REPOSITORY
from tools.bench.timing import interleaved_s


class Contestant:
    """A process that runs its pictures whenever it is told to: `timing.serve`."""

    def __init__(self, command: Sequence[str], owner: ExitStack):
        """owner: ends the process, by the end of its input, when it is closed."""
        environment = {**os.environ, "OMP_NUM_THREADS": "2"}
        self._process = owner.enter_context(
            Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=REPOSITORY, env=environment)
        )

    def start(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def wait(self, word: str = "done") -> None:
        """Until it says so; upstream prints other things as well."""
        assert self._process.stdout is not None
        if not any(line.strip() == word for line in self._process.stdout):
            raise SystemExit(f"bench: {self._process.args!r} ended with {self._process.wait()}")

    def run(self) -> None:
        self.start()
        self.wait()


def warm(commands: Mapping[str, Sequence[str]], owner: ExitStack) -> dict[str, Contestant]:
    """Nothing is measured while another still starts."""
    contestants = {name: Contestant(command, owner) for name, command in commands.items()}
    for contestant in contestants.values():
        contestant.wait("ready")
    return contestants


def race(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every round by contestant, with the way of a word to it and back, 0.1 ms."""
    with ExitStack() as owner:
        return interleaved_s({name: each.run for name, each in warm(commands, owner).items()}, rounds)
