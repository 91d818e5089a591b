"""The configuration as values: ``citysoc.yaml``, ``agencies.yaml`` and ``sources/*.yaml``.

Unknown keys are refused. Durations are seconds, sizes bytes; names carry the unit. Secrets are
references, ``env:NAME`` or ``file:PATH``, never values.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, field_validator, model_validator

from citysoc.config.base import Identifier, Model, SecretReference
from citysoc.config.intel import Intel
from citysoc.config.reports import Reports
from citysoc.flow import CITY_AGENCY, UNKNOWN_AGENCY
from citysoc.i18n import _

Level = Literal["informational", "low", "medium", "high", "critical"]
LogsourceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
PlaceholderName = Annotated[str, Field(pattern=r"^[^%\s]{1,64}$")]
PlaceholderValues = (
    tuple[Annotated[str, Field(coerce_numbers_to_str=True)], ...] | Annotated[str, Field(pattern=r"^file:.+")]
)


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        text = _("{name!r} is no time zone; write for example Asia/Ho_Chi_Minh")
        raise ValueError(text.format(name=name)) from error
    return name


def _check_network(text: str) -> str:
    return str(ipaddress.ip_network(text))


def _check_agency(name: str) -> str:
    if name in {UNKNOWN_AGENCY, CITY_AGENCY}:
        raise ValueError(_("{name!r} stands for no single agency; choose another id").format(name=name))
    return name


Zone = Annotated[str, AfterValidator(_check_zone)]
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


class Service(Model):
    """The service process.

    Args:
        data_dir: where the store, the state and the reports live, relative to the configuration file.
        timezone: the zone of reports and of times shown to people.
        language: the language of reports and alerts: vi or en.
        workers: processes that parse and detect; 0 means one a core.
        commit_seconds: rows wait at most this long before they are committed together.
        commit_records: and at most so many of them.
    """

    data_dir: Path = Path("data")
    timezone: Zone = "Asia/Ho_Chi_Minh"
    language: Literal["vi", "en"] = "vi"
    workers: Annotated[int, Field(ge=0, le=256)] = 0
    commit_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    commit_records: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000


class Elastic(Model):
    """An Elasticsearch cluster, 9.x.

    Args:
        urls: addresses of its nodes.
        prefix: how the names of our indices begin.
        api_key: a reference to an API key, as the cluster encodes it.
        username: instead of an API key.
        password: a reference to the password of ``username``.
        ca_file: a certificate authority of one's own, relative to the configuration file.
        client_certificate: our own certificate, for clusters that ask for one.
        client_key: its key.
        sniff: whether to ask the cluster for its other nodes.
        compress: whether to compress what is sent.
        timeout_seconds: for one request.
        bulk_bytes: one bulk request is about so large.
        bulk_parallel: so many bulk requests are under way at a time.
        spool_bytes: while the cluster is away, events wait under ``data_dir`` in so much space; then collectors wait.
        shards: primary shards of one day's index.
        replicas: copies of each index; none: one where there is a second node.
        refresh_seconds: how soon new events can be found while more come in.
    """

    urls: Annotated[
        tuple[Annotated[str, Field(pattern=r"^https?://[^/@]+/?$")], ...], Field(min_length=1, max_length=64)
    ]
    prefix: Identifier = "citysoc"
    api_key: SecretReference | None = None
    username: str | None = None
    password: SecretReference | None = None
    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    sniff: bool = False
    compress: bool = False
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 30.0
    bulk_bytes: Annotated[int, Field(ge=64 << 10, le=64 << 20)] = 4 << 20
    bulk_parallel: Annotated[int, Field(ge=1, le=32)] = 2
    spool_bytes: Annotated[int, Field(ge=1 << 20)] = 4 << 30
    shards: Annotated[int, Field(ge=1, le=64)] = 1
    replicas: Annotated[int, Field(ge=0, le=8)] | None = None
    refresh_seconds: Annotated[int, Field(ge=1, le=3600)] = 5

    @model_validator(mode="after")
    def _whole(self) -> Elastic:
        if (self.username is None) != (self.password is None):
            raise ValueError(_("username and password belong together"))
        if self.api_key and self.username:
            raise ValueError(_("give an api_key or a username, not both"))
        if self.client_key and not self.client_certificate:
            raise ValueError(_("client_key needs client_certificate"))
        return self


class Retention(Model):
    """How long one class of events stays, where that is shorter than all others.

    Args:
        name: what the class is called in the audit.
        query: which events, in the query language.
        days: they stay so long.
    """

    name: Identifier
    query: Annotated[str, Field(min_length=1, max_length=10_000)]
    days: Annotated[int, Field(ge=1)]


class Bucket(Model):
    """S3-compatible storage for the local store's table.

    Args:
        url: ``s3://bucket/prefix``.
        endpoint: the server, for storage that is not Amazon's.
        region: its region; servers that know none take any.
        access_key_id: a reference to the key's name.
        secret_access_key: a reference to the key.
        cache_bytes: copies of files that were read may take so much of the disk under ``data_dir``.
    """

    url: Annotated[str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._=-]+)*$")]
    endpoint: Annotated[str, Field(pattern=r"^https?://[^/@]+/?$")] | None = None
    region: str = "us-east-1"
    access_key_id: SecretReference
    secret_access_key: SecretReference
    cache_bytes: Annotated[int, Field(ge=1 << 20)] = 20 << 30


class Store(Model):
    """The event store.

    Args:
        kind: ``local``: Delta Lake tables under ``data_dir``, asked with DuckDB; ``elasticsearch``: a cluster.
        retention_days: events older than this are removed by the retention job.
        retention: classes of events that go earlier.
        max_bytes: when the store is larger, its oldest days go before their time, and that is told.
        hot_days: events of so many days are kept in the cache of a bucket before older ones; without a bucket all
            are equally near.
        compact_every_seconds: how often small files are merged.
        bucket: keep the local store's table on S3-compatible storage instead of under ``data_dir``.
        elasticsearch: the cluster; also to move events there before ``kind`` names it.
    """

    kind: Literal["local", "elasticsearch"] = "local"
    retention_days: Annotated[int, Field(ge=1)] = 365
    retention: tuple[Retention, ...] = ()
    max_bytes: Annotated[int, Field(ge=1 << 20)] | None = None
    hot_days: Annotated[int, Field(ge=0)] = 90
    compact_every_seconds: Annotated[int, Field(ge=10, le=3600)] = 900
    bucket: Bucket | None = None
    elasticsearch: Elastic | None = None

    @model_validator(mode="after")
    def _named(self) -> Store:
        if self.kind == "elasticsearch" and self.elasticsearch is None:
            raise ValueError(_("kind elasticsearch needs elasticsearch: {urls: [...]}"))
        return self


class Rules(Model):
    """Which detection rules are live.

    Args:
        shipped: use the rules that come with citysoc.
        folder: the house's own folder, relative to the configuration file: rules and filters of one's own, rule
            sets that `rules add` brings in, and `overrides/`; all that is in it is used. It need not exist.
        directories: further directories of Sigma rules, relative to the configuration file.
        disabled: rule ids that stay off.
        min_level: rules below this level are not loaded.
        placeholders: what stands for `%name%` in rules with `expand`: a list of values, or `file:PATH` with one value a
            line (`#` begins a remark), relative to the configuration file.
        reload_seconds: a running service looks so often whether rules, overrides and rule sets changed; 0 is never.
    """

    shipped: bool = True
    folder: Path = Path("rules")
    directories: tuple[Path, ...] = ()
    disabled: tuple[str, ...] = ()
    min_level: Level = "informational"
    placeholders: dict[PlaceholderName, PlaceholderValues] = Field(default_factory=dict)
    reload_seconds: Annotated[int, Field(ge=0, le=86400)] = 10


class Alerts(Model):
    """How findings become alerts and alerts become incidents.

    Args:
        window_seconds: findings of the same rule, agency and key within this are one alert.
        incident_window_seconds: alerts of one agency and entity within this are one incident.
        incident_min_level: weaker alerts open no incident.
        notice_hours: the first notice is due so long after detection (Decree 331/2026 Art. 31.2.d).
        report_hours: the report is due so long after detection.
    """

    window_seconds: Annotated[int, Field(gt=0)] = 3600
    incident_window_seconds: Annotated[int, Field(gt=0)] = 24 * 3600
    incident_min_level: Level = "medium"
    notice_hours: Annotated[int, Field(gt=0)] = 24
    report_hours: Annotated[int, Field(gt=0)] = 72


class Webhook(Model):
    """One receiver of alerts, spoken to as Standard Webhooks describe.

    Args:
        id: its id.
        url: where to POST.
        secret: a reference to the signing secret, ``whsec_`` + base64 when resolved.
        events: what to send.
        min_level: weaker alerts are not sent.
        agencies: only these agencies; empty means all.
        rules: only these rules; empty means all.
        allow_private_network: whether the receiver may live on a private or loopback address.
        timeout_seconds: for one attempt.
        max_attempts: after so many attempts the delivery goes to the dead letters.
        ca_file: a certificate authority of one's own.
    """

    id: Identifier
    url: Annotated[str, Field(pattern=r"^https?://")]
    secret: SecretReference
    events: tuple[
        Literal[
            "alert.created",
            "alert.updated",
            "incident.created",
            "incident.updated",
            "source.silent",
            "source.recovered",
        ],
        ...,
    ] = (
        "alert.created",
        "incident.created",
        "incident.updated",
        "source.silent",
        "source.recovered",
    )
    min_level: Level = "high"
    agencies: tuple[Identifier, ...] = ()
    rules: tuple[str, ...] = ()
    allow_private_network: bool = False
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    max_attempts: Annotated[int, Field(ge=1, le=50)] = 12
    ca_file: Path | None = None


class Settings(Model):
    """``citysoc.yaml``.

    Args:
        agencies: the registry, relative to this file.
        sources: the directory of source files, relative to this file.
        queries: saved queries, relative to this file; the file need not exist.
        classification: the house's own classes of threat names and signatures, relative to this file; the file need
            not exist.
    """

    service: Service = Service()
    store: Store = Store()
    agencies: Path = Path("agencies.yaml")
    sources: Path = Path("sources")
    queries: Path = Path("queries.yaml")
    classification: Path = Path("classification.yaml")
    rules: Rules = Rules()
    alerts: Alerts = Alerts()
    webhooks: tuple[Webhook, ...] = ()
    reports: Reports = Reports()
    intel: Intel = Intel()

    @field_validator("webhooks")
    @classmethod
    def _ids_differ(cls, webhooks: tuple[Webhook, ...]) -> tuple[Webhook, ...]:
        ids = [webhook.id for webhook in webhooks]
        if doubled := {name for name in ids if ids.count(name) > 1}:
            raise ValueError(_("two webhooks have the id {id!r}").format(id=min(doubled)))
        return webhooks
