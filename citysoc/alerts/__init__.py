"""Findings become alerts, alerts become incidents; both have a life."""

from __future__ import annotations
