"""Loops as they are written; only the compiler reads them (``citysoc.compiled.marks``)."""
