"""Saved queries: ``queries.yaml`` beside ``citysoc.yaml``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from citysoc.config.base import Identifier, Model
from citysoc.i18n import _


class Titles(Model):
    """A title in both languages; one may be left out."""

    vi: Annotated[str, Field(max_length=200)] = ""
    en: Annotated[str, Field(max_length=200)] = ""

    def in_language(self, language: str) -> str:
        """Return the title in a language, in the other where there is none."""
        return (self.vi or self.en) if language == "vi" else (self.en or self.vi)


class SavedQuery(Model):
    """A question that is asked again and again.

    Args:
        name: what it is called at the command line.
        title: what it is for.
        query: the question, in the query language.
        fields: the fields to show; empty means the usual ones.
    """

    name: Identifier
    title: Titles = Titles()
    query: Annotated[str, Field(min_length=1, max_length=10_000)]
    fields: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=50)
    ] = ()


class QueriesFile(Model):
    """``queries.yaml``."""

    queries: Annotated[tuple[SavedQuery, ...], Field(max_length=1000)] = ()

    @field_validator("queries")
    @classmethod
    def _names_differ(cls, queries: tuple[SavedQuery, ...]) -> tuple[SavedQuery, ...]:
        names = [query.name for query in queries]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise ValueError(_("two saved queries have the name {name!r}").format(name=min(doubled)))
        return queries
