"""The unit's own words in place of those written from the figures: one YAML file a report and language.

``texts.<language>.yaml`` lies beside the figures. It is made once, with every section empty, and never
written again: what an analyst wrote in it stays when the report is built again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.config import document
from citysoc.errors import ConfigError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MAX_LETTERS = 20_000


def read(path: Path, sections: Sequence[str], *, empty: str) -> Mapping[str, str]:
    """Return section to text; make the file where there is none.

    Args:
        path: the file.
        sections: the keys that it may have.
        empty: what a new file says at its top, without ``#``.

    Raises:
        ConfigError: the file is no map of sections to texts; says where.
    """
    if not path.exists():
        head = "".join(f"# {line}\n" for line in empty.splitlines())
        path.write_text(head + "".join(f'{key}: ""\n' for key in sections), encoding="utf-8")
        return {}
    page = document.read(path)
    if page.problems:
        raise page.problems[0]
    found = page.value
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(_("the file is no map of sections to texts"), where=str(path))
    for key, text in found.items():
        if key not in sections:
            raise page.problem(
                [key],
                _("there is no such section"),
                hint=_("Sections are: {names}.").format(names=", ".join(sections)),
            )
        if not isinstance(text, str | None) or len(text or "") > MAX_LETTERS:
            raise page.problem(
                [key], _("this is no text, or longer than {letters} letters").format(letters=MAX_LETTERS)
            )
    return {key: text or "" for key, text in found.items()}
