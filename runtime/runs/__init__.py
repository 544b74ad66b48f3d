"""A folder of pictures -> its logs, by one process or, in shards/, by many."""
