"""The option that says what files are in Sigma's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from citysoc.errors import UsageError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable

_PARTS = ("product", "category", "service")

logsource_option: Callable[[Any], Any] = click.option(
    "--logsource",
    metavar="NAME=VALUE,...",
    help="What the files are in Sigma's words, for example product=aws,service=cloudtrail.",
)


def parser_options(text: str | None) -> dict[str, Any]:
    """Return what parsers are told about files of a logsource, ``product=aws,service=cloudtrail``.

    Raises:
        UsageError: it is not written so.
    """
    if text is None:
        return {}
    found: dict[str, str] = {}
    for part in text.split(","):
        name, _equals, value = part.partition("=")
        name, value = name.strip(), value.strip()
        if name not in _PARTS or not value or name in found:
            raise UsageError(
                _("{text!r} is no logsource.").format(text=text),
                hint=_("Write product=…, category=… or service=…, with a comma between them."),
            )
        found[name] = value
    return {"logsource": found}
