"""The Elastic Common Schema as data: which fields an event has, and what is generated from them."""

from __future__ import annotations

from citysoc.ecs.fields import EXTRA, FIELDS, VERSION, Field, unknown_fields

__all__ = ["EXTRA", "FIELDS", "VERSION", "Field", "unknown_fields"]
