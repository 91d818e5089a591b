"""The commands, one module a noun; each is loaded only when it is called."""

from __future__ import annotations
