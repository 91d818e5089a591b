"""A simulated city: agencies, machines, vendor formats, planted attacks, ground truth."""

from __future__ import annotations
