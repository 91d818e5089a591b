"""``sources/*.yaml`` as values: where logs come from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from citysoc.config.base import Identifier, Model, Zone
from citysoc.i18n import _

LogsourceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


class Logsource(Model):
    """What a source is in Sigma's words: rules of this logsource see its events, whatever else they are.

    Args:
        product: for example aws.
        category: for example webserver.
        service: for example cloudtrail.
    """

    product: LogsourceName | None = None
    category: LogsourceName | None = None
    service: LogsourceName | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Logsource:
        if not (self.product or self.category or self.service):
            raise ValueError(_("a logsource names a product, a category or a service"))
        return self


class SourceBase(Model):
    """What every source has.

    Args:
        id: its id; one stream per agency is named ``<agency id>/<source id>``.
        about: what it is, for people.
        agency: the agency whose logs these are; for ``files`` None means that ``{agency}`` in the paths
            names it, for ``syslog`` None means that the sender's address names it.
        parser: the parser's name; ``auto`` looks at the first bytes.
        parser_options: the parser's own options, for example column names.
        logsource: what it is in Sigma's words, where the records do not tell it themselves.
        timezone: the zone of local times that name none.
        late_after_seconds: a stream that said nothing for so long is late.
        silent_after_seconds: a stream that said nothing for so long is silent: an alarm.
        lateness_seconds: an event may come so long after a later one of its file or listener and still count in
            correlations; their findings wait for it. Events that come later are counted, see `sources status`.
    """

    id: Identifier
    about: str = ""
    agency: Identifier | None = None
    parser: str = "auto"
    parser_options: dict[str, Any] = Field(default_factory=dict)
    logsource: Logsource | None = None
    timezone: Zone = "Asia/Ho_Chi_Minh"
    late_after_seconds: Annotated[int, Field(gt=0)] = 6 * 3600
    silent_after_seconds: Annotated[int, Field(gt=0)] = 26 * 3600
    lateness_seconds: Annotated[int, Field(ge=0, le=86_400)] = 600
    enabled: bool = True

    @property
    def options(self) -> dict[str, Any]:
        """What parsers are told about the source."""
        if self.logsource is None:
            return self.parser_options
        return {**self.parser_options, "logsource": self.logsource.model_dump(exclude_none=True)}


AGENCY_PLACE = "{agency}"
"""Stands for an agency's id in the paths of a files source."""


class FilesSource(SourceBase):
    """Files in directories: logs that grow and rotate, exports that are dropped in.

    Args:
        paths: paths or glob patterns, ``**`` included; ``{agency}`` stands for one agency's id.
            Packed files (.gz, .zip, .zst) are unpacked.
        every_seconds: how often to look.
        follow: whether the last line of a file may still be half-written and waits for its end;
            false for files that are complete when they appear.
    """

    kind: Literal["files"]
    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    every_seconds: Annotated[int, Field(gt=0)] = 60
    follow: bool = True


class SyslogSource(SourceBase):
    """A syslog listener.

    Args:
        parser: ``syslog`` takes the header off each message and looks at what it carries.
        host: the address to listen on.
        port: the port, 0 for any free one.
        transports: udp, tcp or both.
        max_message_bytes: longer messages are refused.
        max_connections: more TCP connections than this are closed at once.
        idle_timeout_seconds: a silent TCP connection is closed after this.
    """

    kind: Literal["syslog"]
    parser: str = "syslog"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 5514
    transports: tuple[Literal["udp", "tcp"], ...] = ("udp", "tcp")
    max_message_bytes: Annotated[int, Field(ge=480, le=1 << 20)] = 64 << 10
    max_connections: Annotated[int, Field(gt=0)] = 1000
    idle_timeout_seconds: Annotated[int, Field(gt=0)] = 3600


Source = Annotated[FilesSource | SyslogSource, Field(discriminator="kind")]


class SourcesFile(Model):
    """One file of ``sources/``."""

    sources: tuple[Source, ...]
