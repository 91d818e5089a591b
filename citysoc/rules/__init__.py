"""The Sigma rules that come with citysoc."""

from __future__ import annotations
