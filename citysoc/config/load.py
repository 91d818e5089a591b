"""Reads the configuration: ``citysoc.yaml``, the registry and the sources, with all mistakes at once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from citysoc.config import crosscheck, document, mistakes
from citysoc.config.agencies import AgenciesFile
from citysoc.config.classification import ClassificationFile, NamePattern
from citysoc.config.models import Settings
from citysoc.config.queries import QueriesFile, SavedQuery
from citysoc.config.registry import Registry
from citysoc.config.sources import Source, SourcesFile
from citysoc.errors import ConfigError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from citysoc.config.document import Document

Read = TypeVar("Read", bound=BaseModel)

MAX_SOURCE_FILES = 1000
MAX_SECRET_BYTES = 64 << 10
MAX_PROBLEMS = 200
"""More mistakes than this help nobody; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration without mistakes.

    Args:
        path: the file ``citysoc.yaml``.
        settings: what it says.
        registry: the agencies.
        sources: the sources, in the order of their files' names.
        example: whether the registry is the example that we ship.
        queries: the saved queries.
        classification: the house's own table of names and their classes.
    """

    path: Path
    settings: Settings
    registry: Registry
    sources: tuple[Source, ...]
    example: bool = False
    queries: tuple[SavedQuery, ...] = ()
    classification: tuple[NamePattern, ...] = ()

    @property
    def root(self) -> Path:
        """The folder of the file: what relative paths in it are relative to."""
        return self.path.parent

    @property
    def data_dir(self) -> Path:
        """Where everything that citysoc writes lives."""
        return self.root / self.settings.service.data_dir

    @property
    def state_path(self) -> Path:
        """The SQLite database of whatever changes after it is written."""
        return self.data_dir / "citysoc.db"

    @property
    def store_path(self) -> Path:
        """The folder of the local event store."""
        return self.data_dir / "events"

    @property
    def reports_dir(self) -> Path:
        """Where reports are written."""
        return self.data_dir / self.settings.reports.directory


def load(path: Path, *, parsers: Collection[str] | None = None) -> Config:
    """Return the configuration in ``path`` and the files it names.

    Args:
        path: ``citysoc.yaml``, or the folder that holds it.
        parsers: the names that a source may give as its parser; None means any.

    Raises:
        ConfigError: there are mistakes; ``problems`` has them all, each with file and line.
    """
    path = path / "citysoc.yaml" if path.is_dir() else path
    main = document.read(path)
    settings, problems = _model(Settings, main)
    named = settings or Settings()
    agencies = document.read(path.parent / named.agencies)
    sources, more = _source_documents(path.parent / named.sources, main)
    problems += more
    registry_file, more = _model(AgenciesFile, agencies)
    problems += more
    queries_file, more = _optional(QueriesFile, path.parent / named.queries)
    problems += more
    names_file, more = _optional(ClassificationFile, path.parent / named.classification)
    problems += more
    source_files = [_model(SourcesFile, found) for found in sources]
    problems += [problem for _file, found in source_files for problem in found]
    problems += crosscheck.agencies(agencies)
    problems += crosscheck.together(main, agencies, sources, parsers)
    _raise(problems)
    if settings is None or registry_file is None:  # no model without a problem; for the type checker
        raise ConfigError(_("The configuration cannot be read."), where=str(path))
    return Config(
        path=path.resolve(),
        settings=settings,
        registry=Registry(registry_file.agencies),
        sources=tuple(source for file, _problems in source_files if file for source in file.sources),
        example=registry_file.example,
        queries=queries_file.queries if queries_file else (),
        classification=names_file.names if names_file else (),
    )


def load_agencies(path: Path) -> Registry:
    """Return the registry in one ``agencies.yaml``.

    Raises:
        ConfigError: there are mistakes; ``problems`` has them all, each with file and line.
    """
    found = document.read(path)
    file, problems = _model(AgenciesFile, found)
    _raise(problems + crosscheck.agencies(found))
    return Registry(file.agencies if file else ())


def resolve_secret(reference: str, root: Path) -> str:
    """Return the secret that ``env:NAME`` or ``file:PATH`` stands for, without a final line end.

    Args:
        reference: as written in the configuration.
        root: what a relative path is relative to.

    Raises:
        ConfigError: it does not resolve. The message names the reference, never the secret.
    """
    kind, _colon, name = reference.partition(":")
    if kind == "env" and name:
        secret = os.environ.get(name, "")
    elif kind == "file" and name:
        secret = _secret_file(root / name, reference)
    else:
        hint = _("Write env:NAME or file:PATH.")
        raise ConfigError(_("A secret is written as a value instead of a reference."), hint=hint)
    if secret := secret.rstrip("\r\n"):
        return secret
    hint = _("Set the variable.") if kind == "env" else _("Write the secret into the file.")
    raise ConfigError(_("The secret is absent or empty."), where=reference, hint=hint)


def _secret_file(path: Path, reference: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_BYTES + 1)
        if len(raw) > MAX_SECRET_BYTES:
            raise ConfigError(_("The secret's file is too large."), where=reference)
        return raw.decode()
    except UnicodeDecodeError:
        # Not chained: the original error carries the bytes of the secret.
        raise ConfigError(_("The secret's file is not UTF-8 text."), where=reference) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        message = _("The secret's file cannot be read: {reason}.").format(reason=reason)
        raise ConfigError(message, where=reference) from error


def _model(model: type[Read], found: Document) -> tuple[Read | None, list[ConfigError]]:
    """Return the file as a model, or its mistakes."""
    problems = list(found.problems)
    if found.root is None:
        return None, problems
    try:
        # An empty file is one that says nothing.
        return model.model_validate({} if found.value is None else found.value), problems
    except ValidationError as error:
        return None, problems + mistakes.explain(error, model, found)


def _optional(model: type[Read], path: Path) -> tuple[Read | None, list[ConfigError]]:
    """Return a file that need not exist as a model, or its mistakes; None where there is no such file."""
    return _model(model, document.read(path)) if path.exists() else (None, [])


def _source_documents(folder: Path, main: Document) -> tuple[list[Document], list[ConfigError]]:
    if not folder.is_dir():
        message = _("there is no such folder: {folder}").format(folder=folder)
        wanted = main.at(("sources",)) is not None
        return [], [main.problem(("sources",), message)] if wanted else []
    paths = sorted(path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"})
    if len(paths) > MAX_SOURCE_FILES:
        message = _("more than {limit} files in {folder}").format(limit=MAX_SOURCE_FILES, folder=folder)
        return [], [main.problem(("sources",), message)]
    return [document.read(path) for path in paths], []


def _raise(problems: list[ConfigError]) -> None:
    if not problems:
        return
    problems = sorted(problems, key=_place)
    message = _("The configuration has {count} mistakes.").format(count=len(problems))
    if len(problems) == 1:
        raise ConfigError(
            problems[0].message, where=problems[0].where, hint=problems[0].hint, problems=tuple(problems)
        )
    kept = problems[:MAX_PROBLEMS]
    if left := len(problems) - len(kept):
        kept.append(ConfigError(_("… and {count} more mistakes.").format(count=left)))
    raise ConfigError(message, problems=tuple(kept))


def _place(problem: ConfigError) -> tuple[str, int]:
    path, _colon, line = (problem.where or "").rpartition(":")
    return path, int(line) if line.isdecimal() else 0
