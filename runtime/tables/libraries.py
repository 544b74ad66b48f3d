"""pyarrow and pandas, which only some want: the extra `tables`."""

from importlib import import_module
from typing import Any

from of3.runtime.types import RunError


def library(name: str) -> Any:
    """A module of the extra.  Raises RunError where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise RunError(f"{name.partition('.')[0]}: not installed: pip install 'of3[tables]'") from error
