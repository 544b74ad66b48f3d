"""What a process says to its user: lines on stderr."""

import logging
import sys


def log_to_stderr(level: int = logging.INFO) -> None:
    """Lines of this package from `level` up, warnings of every other."""
    logging.basicConfig(format="of3: %(message)s", stream=sys.stderr)
    logging.getLogger("of3").setLevel(level)
