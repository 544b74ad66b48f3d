"""The records of a log folder -> a page of what is in them: counted first, so that a million rows fit."""
