"""Match events against Sigma rules."""

from __future__ import annotations
