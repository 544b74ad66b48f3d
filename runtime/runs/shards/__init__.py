"""One run by many processes: a plan of shards, a function that does one, executors over it, and the merge."""
