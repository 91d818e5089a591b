"""Measurements: `make bench` runs them all and prints figures; nothing is asserted."""
