"""Reports by signed webhook, through the outbox: figures, and the documents or links to them."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from citysoc.errors import ConfigError, DeliveryError
from citysoc.i18n import _
from citysoc.state.outbox import Message, enqueue

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from citysoc.config.load import Config
    from citysoc.config.reports import WebhookTarget
    from citysoc.reports.delivery.package import Package
    from citysoc.state import State

EVENT = "report.built"


def deliver(
    config: Config, state: State, target: WebhookTarget, package: Package, *, now: dt.datetime
) -> str:
    """Write the message into the outbox, which delivers it until it is accepted or given up.

    Raises:
        ConfigError: there is no such webhook.
    """
    webhook = next((one for one in config.settings.webhooks if one.id == target.webhook), None)
    if webhook is None:
        raise ConfigError(
            _("there is no webhook {id!r}").format(id=target.webhook), where=f"reports.targets: {target.id}"
        )
    message = Message(
        event=EVENT,
        subject=package.period,
        key=package.id,
        level="critical",  # the webhook was named for reports: its level is for alerts
        agency=package.agency,
        rules=(),
        data=lambda: _data(target, package),
    )
    asked = webhook.model_copy(update={"events": (EVENT,), "agencies": (), "rules": ()})
    with state.transaction() as db:
        enqueue(db, [message], (asked,), now)
    return f"webhook {webhook.id}"


def _data(target: WebhookTarget, package: Package) -> dict[str, Any]:
    return {
        **_figures(package.folder / "figures.json"),
        "agency": package.agency or None,
        "documents": [_document(target, package, path) for path in package.files],
    }


def _figures(path: Path) -> dict[str, Any]:
    names = ("records", "cases", "attack", "spyware", "virus", "alerts", "incidents")
    try:
        figures = json.loads(path.read_bytes())["figures"]
        return {"period": figures["period"], "figures": {name: figures[name] for name in names}}
    except (ValueError, KeyError, TypeError) as error:
        raise DeliveryError(_("the figures of the report cannot be read"), where=str(path)) from error


def _document(target: WebhookTarget, package: Package, path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    found: dict[str, Any] = {
        "name": path.name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    if target.link:
        found["url"] = f"{target.link.rstrip('/')}/{package.place}/{path.name}"
    elif len(content) <= target.max_bytes:
        found["base64"] = base64.b64encode(content).decode()
    return found
