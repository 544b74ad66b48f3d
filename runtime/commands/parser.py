"""A parser that knows which flag was meant."""

import argparse
import difflib
import sys
from collections.abc import Iterable, Sequence
from itertools import takewhile


class Parser(argparse.ArgumentParser):
    """argparse's, which says of a flag that there is not which one is most like it."""

    def parse_args(  # type: ignore[override]  # of the ways to call it those that commands take
        self, args: Sequence[str] | None = None, namespace: None = None
    ) -> argparse.Namespace:
        """Exits with status 2 and the usage on words that it does not know."""
        words = list(sys.argv[1:] if args is None else args)
        for word in takewhile(lambda word: word != "--", words):
            name = word.partition("=")[0]
            if name.startswith("--") and name not in self._option_string_actions:
                meant = self._by_itself(name) or nearest(name, self._flags())
                self.error(f"got {name}, which is no flag of {self.prog}{meant}")
        return super().parse_args(words)

    def _by_itself(self, name: str) -> str:
        """That a word which stands without a flag is asked for as one, as others have it: LOGS by --logs."""
        words = (str(each.metavar or each.dest) for each in self._actions if not each.option_strings)
        found = next((word for word in words if word.lower() == name.lstrip("-")), "")
        return found and f": {found} stands by itself, as in `{self.prog} {found}`"

    def _flags(self) -> Iterable[str]:
        return (name for name in self._option_string_actions if name.startswith("--"))


def nearest(word: str, known: Iterable[str]) -> str:
    """What may have been meant, as the end of a sentence; empty where nothing is like it."""
    by_letters = {each.lstrip("-").lower(): each for each in known}  # dashes are alike anyway
    asked = word.lstrip("-").lower()
    found = difflib.get_close_matches(asked, by_letters, 1)
    begun = [each for each in by_letters if len(asked) > 2 and each.startswith(asked)]  # fetch: fetch-weights
    return "".join(f": did you mean {by_letters[each]}?" for each in (found or begun)[:1])
