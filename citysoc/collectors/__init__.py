"""Bring records in: one module per way of pulling or receiving."""

from __future__ import annotations
