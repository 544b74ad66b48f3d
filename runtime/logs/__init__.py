"""Records -> files, whole or not at all."""
