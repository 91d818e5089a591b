"""What is added to events after parsing: agency, classification."""

from __future__ import annotations
