"""The root of every exception of ours."""


class Error(Exception):
    """What of3 raises of its own: `except of3.Error` catches it and nothing else."""
