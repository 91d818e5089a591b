"""What all models of the configuration share: their habits, ids, references to secrets."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from citysoc.i18n import _

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""Lower-case letters, digits and hyphens: safe in paths, addresses and queries."""


def _check_secret(reference: str) -> str:
    if not re.fullmatch(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)", reference):
        raise ValueError(_("a secret is a reference: env:NAME or file:PATH"))
    return reference


SecretReference = Annotated[str, AfterValidator(_check_secret)]


class Model(BaseModel):
    """The habits of all models: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
