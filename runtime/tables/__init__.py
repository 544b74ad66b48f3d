"""Records -> rows with types, and the forms that others read them in."""
