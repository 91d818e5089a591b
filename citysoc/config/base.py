"""What all models of the configuration share: their habits, ids, references to secrets, zones."""

from __future__ import annotations

import re
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from citysoc.i18n import _

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""Lower-case letters, digits and hyphens: safe in paths, addresses and queries."""


def _check_secret(reference: str) -> str:
    if not re.fullmatch(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)", reference):
        raise ValueError(_("a secret is a reference: env:NAME or file:PATH"))
    return reference


SecretReference = Annotated[str, AfterValidator(_check_secret)]


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        text = _("{name!r} is no time zone; write for example Asia/Ho_Chi_Minh")
        raise ValueError(text.format(name=name)) from error
    return name


Zone = Annotated[str, AfterValidator(_check_zone)]


class Model(BaseModel):
    """The habits of all models: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
