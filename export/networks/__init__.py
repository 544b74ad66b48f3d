"""The three published networks, as modules whose state dicts load the published files strictly."""
