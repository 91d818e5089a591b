"""Threat intelligence in the configuration: feeds of indicators, and warning lists against their mistakes."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  pydantic asks for it at run time
from typing import Annotated, Literal

from pydantic import Field, model_validator

from citysoc.config.base import Identifier, Model, SecretReference
from citysoc.config.classification import ClassCode  # noqa: TC001  pydantic asks for it at run time
from citysoc.i18n import _

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class Feed(Model):
    """One feed of indicators.

    Args:
        id: its name in alerts and lists.
        url: where to fetch it: a document, the ``manifest.json`` of a MISP feed, or with ``format: taxii`` the
            objects of a TAXII 2.1 collection; or
        path: the file, relative to the configuration file; packed ones (.gz, .zip, .zst) too, and folders with a
            MISP feed.
        format: list, csv, misp, stix or taxii; auto looks at the beginning.
        confidence: 0 to 100, of indicators that bring none of their own.
        expires_days: indicators that bring no end of their own count so long after the feed named them last.
        every_seconds: how often to look for a new edition.
        replace: what the feed no longer names goes at once; false for feeds that name only what is new: it stays
            until it expires.
        threat_class: the class of what its indicators hit; told by their tags where none is given.
        headers: headers of the request as references to secrets, for example an API key.
        ca_file: a certificate authority of one's own, relative to the configuration file.
        allow_private_network: whether the server may live on a private or loopback address.
        timeout_seconds: for one fetch as a whole.
        max_bytes: a larger answer is refused.
        enabled: whether it is fetched on schedule.
    """

    id: Identifier
    url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$", max_length=2000)] | None = None
    path: Path | None = None
    format: Literal["auto", "list", "csv", "misp", "stix", "taxii"] = "auto"
    confidence: Annotated[int, Field(ge=0, le=100)] = 50
    expires_days: Annotated[int, Field(ge=1, le=3650)] = 30
    every_seconds: Annotated[int, Field(ge=60)] = 3600
    replace: bool = True
    threat_class: ClassCode | None = None
    headers: dict[HeaderName, SecretReference] = Field(default_factory=dict)
    ca_file: Path | None = None
    allow_private_network: bool = False
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 120.0
    max_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 256 << 20
    enabled: bool = True

    @model_validator(mode="after")
    def _one_place(self) -> Feed:
        if (self.url is None) == (self.path is None):
            raise ValueError(_("a feed has a url or a path"))
        if self.format == "taxii" and self.url is None:
            raise ValueError(_("a feed of TAXII has a url"))
        if self.headers and self.url and not self.url.startswith("https://"):
            raise ValueError(_("secrets in headers need https"))
        return self


class Intel(Model):
    """Threat intelligence: what is known of addresses, names, files elsewhere in the world.

    Args:
        feeds: fetched on schedule.
        warning_lists: files, or folders of files, in the form of MISP's warninglists, relative to the configuration
            file: indicators that they hold are kept out of matching.
        shipped_warning_lists: whether the lists that come with citysoc count too.
        min_confidence: weaker indicators mark events and make no alerts.
        window_seconds: hits of one indicator at one host within this are one alert.
        history_days: new indicators of a scheduled refresh are looked for in so many days of the past; 0: not at all.
        history_alerts: whether what they find there makes alerts.
    """

    feeds: tuple[Feed, ...] = ()
    warning_lists: tuple[Path, ...] = ()
    shipped_warning_lists: bool = True
    min_confidence: Annotated[int, Field(ge=0, le=100)] = 0
    window_seconds: Annotated[int, Field(gt=0)] = 86_400
    history_days: Annotated[int, Field(ge=0, le=3650)] = 30
    history_alerts: bool = True

    @model_validator(mode="after")
    def _ids_differ(self) -> Intel:
        ids = [feed.id for feed in self.feeds]
        if doubled := {name for name in ids if ids.count(name) > 1}:
            raise ValueError(_("two feeds have the id {id!r}").format(id=min(doubled)))
        return self
