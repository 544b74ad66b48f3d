#!/usr/bin/env python3
"""Drop-in for the OpenFace 3.0 script: same flags, same logs, no PyTorch.  Runs from any folder, and as a copy
anywhere, in a Python that has of3 installed.  `python -u openface3.py -h` prints every flag."""

import sys
from pathlib import Path

try:
    from of3.runtime.commands.run import script_main
except ImportError as error:
    sys.exit(f"{error}: in the of3 checkout run {sys.executable} -m pip install .[cpu]")

if __name__ == "__main__":
    sys.exit(script_main(Path(__file__).absolute(), sys.argv[1:]))
