"""Vendors' log lines: one module a format; each function renders a small fact to the bytes of one record."""
