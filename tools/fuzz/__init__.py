"""Files, bundles and log folders that were tampered with, through everything that reads them."""
