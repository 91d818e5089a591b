"""``agencies.yaml`` as values: the bodies on the government network."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from citysoc.config.base import Identifier, Model
from citysoc.flow import CITY_AGENCY, UNKNOWN_AGENCY
from citysoc.i18n import _


def _check_network(text: str) -> str:
    return str(ipaddress.ip_network(text))


def _check_agency(name: str) -> str:
    if name in {UNKNOWN_AGENCY, CITY_AGENCY}:
        raise ValueError(_("{name!r} stands for no single agency; choose another id").format(name=name))
    return name


Network = Annotated[str, AfterValidator(_check_network)]


class Contact(Model):
    """Whom to reach at an agency; a role, not a person."""

    role: str
    email: str | None = None
    telephone: str | None = None


class Antivirus(Model):
    """Centrally managed antivirus at an agency."""

    machines: Annotated[int, Field(ge=0, le=100_000)]


class Agency(Model):
    """One body on the government network.

    Args:
        id: its id here.
        name: its Vietnamese name.
        name_en: its English name.
        level: the kind of body.
        code: the official code, of the ward or of QĐ 20/2020; text.
        networks: its address ranges; no two agencies may overlap.
        senders: single addresses that send its logs from outside ``networks`` (a relay).
        expects: ids of the sources that must speak for this agency.
        antivirus: its centrally managed antivirus, where it has that.
        aliases: other names it is written with.
        contacts: whom to reach.
    """

    id: Annotated[Identifier, AfterValidator(_check_agency)]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    name_en: Annotated[str, Field(max_length=200)] = ""
    level: Literal[
        "party",
        "city",
        "department",
        "subordinate",
        "ward",
        "commune",
        "school",
        "hospital",
        "association",
        "other",
    ] = "other"
    code: Annotated[str, Field(coerce_numbers_to_str=True, max_length=40)] = ""
    networks: tuple[Network, ...] = ()
    senders: tuple[Annotated[str, AfterValidator(lambda a: str(ipaddress.ip_address(a)))], ...] = ()
    expects: tuple[Identifier, ...] = ()
    antivirus: Antivirus | None = None
    aliases: tuple[str, ...] = ()
    contacts: tuple[Contact, ...] = ()


class AgenciesFile(Model):
    """``agencies.yaml``."""

    example: bool = False
    agencies: tuple[Agency, ...]
