import tracemalloc

import pytest


@pytest.fixture
def peak_bytes():
    """The most memory that Python and NumPy held for a step, beyond what they held before."""

    def measured(step):
        tracemalloc.start()
        try:
            step()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return measured
