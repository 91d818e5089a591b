"""Turn records into ECS events: one module per format family."""

from __future__ import annotations
