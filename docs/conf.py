"""Sphinx's settings: `sphinx-build -W --keep-going -n docs .cache/site`, without a network."""

import os
import sys
from configparser import ConfigParser
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "extensions"))

metadata = ConfigParser()
metadata.read(HERE.parent / "setup.cfg", "utf-8")

project = "of3"
author = copyright = "the of3 authors"
version = release = metadata["metadata"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "commands"]
html_theme = "furo"
html_title = f"of3 {release}"
html_static_path = ["static"]
html_css_files = ["wide.css"]
exclude_patterns = ["extensions"]
default_role = "code"  # of single backticks in docstrings
python_maximum_signature_line_length = 80

myst_enable_extensions = ["attrs_block"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
# Annotations name NumPy's, pandas' and inner types, which have no page here.
nitpick_ignore_regex = [("py:.*", ".*")]

os.environ["COLUMNS"] = "100"  # how wide argparse makes a help text
