"""``citysoc.yaml`` as values; ``agencies``, ``sources``, ``stores``, ``reports`` and ``intel`` are modules beside this.

Unknown keys are refused. Durations are seconds, sizes bytes; names carry the unit. Secrets are
references, ``env:NAME`` or ``file:PATH``, never values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from citysoc.config.base import Identifier, Model, SecretReference, Zone
from citysoc.config.intel import Intel
from citysoc.config.reports import Reports
from citysoc.config.stores import Store
from citysoc.i18n import _

Level = Literal["informational", "low", "medium", "high", "critical"]
PlaceholderName = Annotated[str, Field(pattern=r"^[^%\s]{1,64}$")]
PlaceholderValues = (
    tuple[Annotated[str, Field(coerce_numbers_to_str=True)], ...] | Annotated[str, Field(pattern=r"^file:.+")]
)


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
