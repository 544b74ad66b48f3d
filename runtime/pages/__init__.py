"""Pages in one file, which open from a disk and ask no other host for anything."""
