"""Re-ranks recommendation slates: variety, spacing, caps and pins on top of the relevance scores that you have.

::

    import spectrank

    ranked = spectrank.rerank(slates, "items.parquet", slate_size=20)

`spectrank.spark` and `spectrank.ray` do the same on a cluster. The work is done by the program `spectrank`, which comes with the
package, in a process of its own that stays warm between calls.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from ._errors import SpectrankError
from ._pool import close
from ._program import program
from ._rerank import rerank, rerank_batches
from ._result import result_schema
from ._settings import Settings

try:
    __version__ = version("spectrank")
except PackageNotFoundError:
    # Run from a source tree.
    __version__ = "0"

__all__ = ["Settings", "SpectrankError", "close", "program", "rerank", "rerank_batches", "result_schema"]
