"""Run the models of a bundle: numpy in, numpy out.  Knows nothing of faces and imports nothing of ours."""
