"""`python -m of3`: as `of3`."""

import sys

from of3.runtime.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
