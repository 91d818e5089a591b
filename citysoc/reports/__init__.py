"""The monthly report: figures once, then documents."""

from __future__ import annotations
