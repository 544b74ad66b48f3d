"""Whether a bundle and the weights it was made of can be trusted on this machine: measured, item by item."""
