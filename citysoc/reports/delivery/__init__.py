"""Where built reports go: folders, mail, SFTP, webhooks. One function a kind of target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from citysoc.config.reports import DirectoryTarget, MailTarget, SftpTarget, WebhookTarget

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from citysoc.config.load import Config
    from citysoc.config.reports import ReportTarget
    from citysoc.state import State


@dataclass(frozen=True, slots=True)
class Package:
    """A built report on its way to one target.

    Args:
        id: the delivery's id, the same at every attempt.
        period: the name of its period.
        agency: whose report it is; empty for the city's.
        folder: where it lies.
        place: its folder relative to the directory of reports, for links and folders elsewhere.
        files: the documents to deliver.
    """

    id: str
    period: str
    agency: str
    folder: Path
    place: str
    files: tuple[Path, ...]


def deliver(config: Config, state: State, target: ReportTarget, package: Package, *, now: dt.datetime) -> str:
    """Deliver a report once; return one line on what was done.

    Raises:
        DeliveryError: it did not arrive; ``transient`` says whether it may later.
        ConfigError: the target cannot be used as it is written.
    """
    if isinstance(target, DirectoryTarget):
        from citysoc.reports.delivery import directory

        return directory.deliver(config.root / target.path, package)
    if isinstance(target, MailTarget):
        from citysoc.reports.delivery import mail

        return mail.deliver(config, target, package, now=now)
    if isinstance(target, SftpTarget):
        from citysoc.reports.delivery import sftp

        return sftp.deliver(config, target, package)
    from citysoc.reports.delivery import webhook

    if not isinstance(target, WebhookTarget):
        raise TypeError(target.kind)
    return webhook.deliver(config, state, target, package, now=now)
