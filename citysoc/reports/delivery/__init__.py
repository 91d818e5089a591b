"""Where built reports go: folders, mail, SFTP, webhooks. One function a kind of target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.config.reports import DirectoryTarget, MailTarget, SftpTarget, WebhookTarget
from citysoc.reports.delivery.package import Package

if TYPE_CHECKING:
    import datetime as dt

    from citysoc.config.load import Config
    from citysoc.config.reports import ReportTarget
    from citysoc.state import State

__all__ = ["Package", "deliver"]


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
