"""The way to an Elasticsearch cluster: the connection, its secrets, what it refuses in our words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from citysoc.config.load import resolve_secret
from citysoc.errors import StoreError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from elasticsearch import Elasticsearch

    from citysoc.config.stores import Elastic

_WRAPPING = re.compile(r"^HTTPS?Connection(Pool)?\([^()]{0,300}\): ")
_BUSY = frozenset((408, 429, 502, 503, 504))


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connection to a cluster.

    Args:
        client: the library's client.
        place: its addresses, for messages.
        left_out: what answers so far had to leave out, one sentence each.
    """

    client: Elasticsearch
    place: str
    left_out: list[str] = field(default_factory=list)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        seconds: float | None = None,
        missing: Any = None,
        **parameters: Any,
    ) -> Any:
        """Send one request; return the answer's body.

        Args:
            method: of HTTP.
            path: behind the address, with its slash.
            body: JSON, or bytes of NDJSON.
            seconds: how long to wait, as configured by default.
            missing: what to return where the cluster knows no such thing (404); by default an error.
            parameters: of the address.

        Raises:
            StoreError: the cluster cannot be reached or refuses; transient where it may not the next time.
        """
        import elastic_transport
        import elasticsearch

        client = self.client if seconds is None else self.client.options(request_timeout=seconds)
        kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        headers: Mapping[str, str] = {"accept": "application/json"}
        if body is not None:
            headers = {**headers, "content-type": kind}
        try:
            answer = client.perform_request(method, path, params=parameters, headers=headers, body=body).body
        except elasticsearch.NotFoundError as error:
            if missing is not None:
                return missing
            self._refuse(error)
        except elasticsearch.ApiError as error:
            self._refuse(error)
        except elasticsearch.UnsupportedProductError as error:
            raise StoreError(_("What answers there is no Elasticsearch."), where=self.place) from error
        except elastic_transport.TlsError as error:
            raise StoreError(
                _("The cluster's certificate is not accepted: {error}.").format(error=_reason(error)),
                where=self.place,
                hint=_("Name its authority in store.elasticsearch.ca_file."),
            ) from error
        except elastic_transport.TransportError as error:
            raise StoreError(
                _("The cluster cannot be reached: {error}.").format(error=_reason(error)),
                where=self.place,
                hint=_("Look at store.elasticsearch.urls, and whether the cluster runs."),
                transient=True,
            ) from error
        self._note(answer)
        return answer

    def _note(self, answer: Any) -> None:
        """Write down that shards did not answer: the rest did."""
        shards = answer.get("_shards") if isinstance(answer, dict) else None
        if not shards or not shards.get("failed"):
            return
        failures = shards.get("failures") or ()
        names = ", ".join(sorted({str(failure.get("index")) for failure in failures}))
        text = _("{failed} of {total} shards did not answer{names}.").format(
            failed=shards["failed"], total=shards["total"], names=f" ({names})" if names else ""
        )
        if text not in self.left_out:
            self.left_out.append(text)

    def _refuse(self, error: Any) -> NoReturn:
        status = error.meta.status
        reason = told(error.body)
        if status == 401:
            raise StoreError(
                _("The cluster does not know these credentials."),
                where=self.place,
                hint=_("Look at api_key, or username and password, of store.elasticsearch."),
            ) from error
        if status == 403:
            raise StoreError(
                _("The cluster does not allow this: {reason}.").format(reason=reason),
                where=self.place,
                hint=_("docs/elasticsearch.md lists the privileges that are needed."),
            ) from error
        raise StoreError(
            _("The cluster refuses ({status}): {reason}.").format(status=status, reason=reason),
            where=self.place,
            transient=status in _BUSY,
        ) from error


def told(body: Any) -> str:
    """Return the reasons that an error's body gives, the outermost and the innermost, shortened."""
    error = body.get("error") if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return str(error)[:500]
    first = "" if error.get("failed_shards") else str(error.get("reason") or "").rstrip(".")
    cause = error
    for _depth in range(100):
        failed = cause.get("failed_shards")
        inner = cause.get("caused_by") or (failed[0].get("reason") if failed else None)
        if not isinstance(inner, dict):
            break
        cause = inner
    last = str(cause.get("reason") or cause.get("type") or error).rstrip(".")
    return last[:500] if last == first or not first else f"{first[:300]}: {last[:300]}"


def _reason(error: Any) -> str:
    """Return why a connection failed, without the library's own wrapping."""
    inner = next(iter(getattr(error, "errors", ()) or ()), None)
    text = str(getattr(inner, "message", None) or getattr(error, "message", None) or error)
    return _WRAPPING.sub("", text).partition(" (caused by")[0].rstrip(".")[:300]


def connect(settings: Elastic, root: Path) -> Cluster:
    """Return a connection; nothing is sent yet.

    Args:
        settings: what the configuration says of the cluster.
        root: what relative paths in it are relative to.

    Raises:
        ConfigError: a secret does not resolve.
    """
    import elasticsearch

    options: dict[str, Any] = {
        "hosts": list(settings.urls),
        "request_timeout": settings.timeout_seconds,
        "max_retries": len(settings.urls) - 1,
        "http_compress": settings.compress,
        "connections_per_node": settings.bulk_parallel + 2,
        "sniff_on_start": settings.sniff,
        "sniff_on_node_failure": settings.sniff,
        "serializers": _serializers(),
    }
    if settings.api_key:
        options["api_key"] = resolve_secret(settings.api_key, root)
    elif settings.username and settings.password:
        options["basic_auth"] = (settings.username, resolve_secret(settings.password, root))
    for name, path in (
        ("ca_certs", settings.ca_file),
        ("client_cert", settings.client_certificate),
        ("client_key", settings.client_key),
    ):
        if path is not None:
            options[name] = str(root / path)
    try:
        client = elasticsearch.Elasticsearch(**options)
    except (ValueError, OSError) as error:
        raise StoreError(
            _("No connection can be made from store.elasticsearch: {error}.").format(error=error),
            where=", ".join(settings.urls),
        ) from error
    return Cluster(client, ", ".join(settings.urls))


def _serializers() -> dict[str, Any]:
    from elasticsearch.serializer import NdjsonSerializer, OrjsonSerializer

    class Ready(NdjsonSerializer):
        """Bulk requests are lines already: the library would copy them twice."""

        def dumps(self, data: Any) -> Any:
            return data

    lines = Ready()
    return {"application/json": OrjsonSerializer(), lines.mimetype: lines}
