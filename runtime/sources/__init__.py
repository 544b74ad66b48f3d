"""Videos -> frames, each with its number and its time."""
