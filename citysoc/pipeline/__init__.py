"""One batch, one way: parse, enrich, detect, store, alert; it comes back only as a checkpoint."""

from __future__ import annotations

from citysoc.pipeline.line import Line
from citysoc.pipeline.work import Processed, Work, Worker

__all__ = ["Line", "Processed", "Work", "Worker"]
