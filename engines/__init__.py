"""Run the models of a bundle: numpy in, numpy out.  Knows nothing of faces and imports nothing of ours.

Importing any of of3 tells libraries that would speak to their makers not to, before they are there.
"""

import os

os.environ.update(
    {
        # From 1.29 on it leaves a device id and a database below HOME and looks up its vendor's host.
        "ORT_DISABLE_TELEMETRY": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
)
