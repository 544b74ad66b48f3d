"""Faces of one frame after the other -> which are the same person's."""
