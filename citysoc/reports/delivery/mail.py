"""Reports by mail: a message in the report's language with the documents, or a link to them."""

from __future__ import annotations

import mimetypes
import re
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING

from citysoc import i18n
from citysoc.config.load import resolve_secret
from citysoc.config.reports import ADDRESS
from citysoc.errors import DeliveryError
from citysoc.i18n import _
from citysoc.reports.text import clean

if TYPE_CHECKING:
    import datetime as dt

    from citysoc.config.load import Config
    from citysoc.config.reports import MailTarget
    from citysoc.reports.delivery.package import Package

TIMEOUT_SECONDS = 60
_ADDRESS = re.compile(ADDRESS)
"""What else stands in a registry as an address, a line break for example, is nobody's."""


def deliver(config: Config, target: MailTarget, package: Package, *, now: dt.datetime) -> str:
    """Send the mail; return to whom.

    Raises:
        DeliveryError: there is nobody to send to, or the server did not take it.
        ConfigError: the password or the certificate authority cannot be read.
    """
    to = recipients(config, target, package)
    if not to:
        raise DeliveryError(_("There is nobody to send to."), where=target.id)
    message = compose(config, target, package, to=to, now=now)
    try:
        with _connection(config, target) as server:
            refused = server.send_message(message, from_addr=target.sender, to_addrs=to)
    except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as error:
        raise DeliveryError(
            _("The mail server refused: {error}.").format(error=error),
            where=target.id,
            transient=_may_pass(error),
        ) from error
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError(
            _("The mail was not sent: {error}.").format(error=error), where=target.id, transient=True
        ) from error
    if refused:
        names = ", ".join(sorted(refused))
        raise DeliveryError(
            _("The mail server refused some recipients: {names}.").format(names=names), where=target.id
        )
    return _("mail to {addresses}").format(addresses=", ".join(to))


def recipients(config: Config, target: MailTarget, package: Package) -> list[str]:
    """Return the addresses: the target's, or those of the agency's contacts for its own report."""
    if target.scope == "city":
        return list(target.to)
    agency = config.registry.by_id(package.agency)
    found = [contact.email for contact in agency.contacts if contact.email] if agency else []
    return [address for address in found if _ADDRESS.fullmatch(address)]


def compose(
    config: Config, target: MailTarget, package: Package, *, to: list[str], now: dt.datetime
) -> EmailMessage:
    """Return the message. Its id is the delivery's: a mail sent twice is known as one."""
    agency = config.registry.by_id(package.agency) if package.agency else None
    message = EmailMessage()
    with i18n.speaking(target.language):
        about = (
            clean((agency.name_en if target.language == "en" else "") or agency.name, 120)
            if agency
            else clean(" ".join(config.settings.reports.named("issuer", target.language).split()), 120)
        )
        message["Subject"] = (
            _("Cybersecurity report {period} {about}").format(period=package.period, about=about).strip()
        )
        text, attached = _content(target, package)
    message["From"] = target.sender
    message["To"] = ", ".join(to)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{package.id}@{target.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    message.set_content(text)
    for name, content in attached:
        kind = (mimetypes.guess_type(name)[0] or "application/octet-stream").split("/")
        message.add_attachment(content, maintype=kind[0], subtype=kind[1], filename=name)
    return message


def _content(target: MailTarget, package: Package) -> tuple[str, list[tuple[str, bytes]]]:
    lines = [_("The cybersecurity report of {period} is ready.").format(period=package.period), ""]
    attached = []
    for path in package.files:
        if target.link:
            lines.append(f"{target.link.rstrip('/')}/{package.place}/{path.name}")
        elif path.stat().st_size <= target.max_bytes:
            attached.append((path.name, path.read_bytes()))
        else:
            lines.append(_("{file} is too large to be attached.").format(file=path.name))
    return "\n".join(lines) + "\n", attached


def _connection(config: Config, target: MailTarget) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=config.root / target.ca_file if target.ca_file else None)
    server: smtplib.SMTP
    if target.security == "tls":
        server = smtplib.SMTP_SSL(target.host, target.port, timeout=TIMEOUT_SECONDS, context=context)
    else:
        server = smtplib.SMTP(target.host, target.port, timeout=TIMEOUT_SECONDS)
        if target.security == "starttls":
            server.starttls(context=context)
    if target.username:
        server.login(target.username, resolve_secret(target.password, config.root) if target.password else "")
    return server


def _may_pass(error: Exception) -> bool:
    """Return whether a refusal is of the 4xx kind, which says: later (RFC 5321)."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(400 <= code < 500 for code, _text in error.recipients.values())
    return isinstance(error, smtplib.SMTPResponseException) and 400 <= error.smtp_code < 500
