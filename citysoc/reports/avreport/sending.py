"""Sending AVReport documents to the national centre: asked for explicitly, over TLS with a client certificate."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from citysoc.errors import ConfigError, DeliveryError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from citysoc.config.reports import AvReport

TIMEOUT_SECONDS = 60.0


def send(settings: AvReport, root: Path, documents: Sequence[Path]) -> Iterator[tuple[Path, int]]:
    """Send documents one after the other; yield each with the status of its answer.

    Args:
        settings: where to, and with which certificate.
        root: what relative paths of the settings are relative to.
        documents: the files, signed or not as the centre wants them.

    Raises:
        ConfigError: the address or the certificate is missing.
        DeliveryError: a document was not accepted; those before it were.
    """
    import httpx

    with httpx.Client(
        verify=_context(settings, root), timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False
    ) as client:
        for path in documents:
            try:
                answer = client.post(
                    settings.url,
                    content=path.read_bytes(),
                    headers={"Content-Type": "text/xml; charset=utf-8"},
                )
            except httpx.HTTPError as error:
                raise DeliveryError(
                    _("{file} was not sent: {error}").format(file=path.name, error=error), where=settings.url
                ) from error
            if answer.status_code != httpx.codes.OK:
                raise DeliveryError(
                    _("{file} was not accepted: status {status}").format(
                        file=path.name, status=answer.status_code
                    ),
                    where=settings.url,
                )
            yield path, answer.status_code


def _context(settings: AvReport, root: Path) -> ssl.SSLContext:
    if not settings.url:
        raise ConfigError(
            _("there is no address to send to"), hint=_("Set reports.avreport.url in citysoc.yaml.")
        )
    if settings.client_certificate is None:
        raise ConfigError(
            _("there is no client certificate"),
            hint=_("Set reports.avreport.client_certificate and client_key in citysoc.yaml."),
        )
    key = root / settings.client_key if settings.client_key else None
    try:
        context = ssl.create_default_context(cafile=root / settings.ca_file if settings.ca_file else None)
        context.load_cert_chain(root / settings.client_certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            _("the client certificate cannot be used: {error}").format(error=error),
            where=str(root / settings.client_certificate),
        ) from error
    return context
