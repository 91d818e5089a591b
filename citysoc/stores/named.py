"""The event store that a configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from citysoc.errors import ConfigError
from citysoc.i18n import _

if TYPE_CHECKING:
    from pathlib import Path

    from citysoc.config.load import Config
    from citysoc.stores.base import EventStore
    from citysoc.stores.elastic import ElasticStore
    from citysoc.stores.local import LocalStore
    from citysoc.stores.local_place import Bucket


def open_store(config: Config, kind: str | None = None) -> EventStore:
    """Return an event store; nothing is sent or written yet.

    Args:
        config: the configuration.
        kind: local or elasticsearch; None for the one in use.

    Raises:
        ConfigError: the configuration does not say where it is.
    """
    if (kind or config.settings.store.kind) == "elasticsearch":
        return open_elastic(config)
    return open_local(config)


def open_local(config: Config) -> LocalStore:
    """Return the store in a directory or a bucket, whether or not it is the one in use.

    Raises:
        ConfigError: a secret of the bucket does not resolve.
    """
    from citysoc.stores.local import LocalStore

    zone = ZoneInfo(config.settings.service.timezone)
    return LocalStore(_bucket(config) or config.store_path, timezone=zone)


def _bucket(config: Config) -> Bucket | None:
    from citysoc.config.load import resolve_secret
    from citysoc.stores.local_place import Bucket

    bucket = config.settings.store.bucket
    if bucket is None:
        return None
    options = {
        "AWS_REGION": bucket.region,
        "AWS_ACCESS_KEY_ID": resolve_secret(bucket.access_key_id, config.root),
        "AWS_SECRET_ACCESS_KEY": resolve_secret(bucket.secret_access_key, config.root),
    }
    if bucket.endpoint:
        options["AWS_ENDPOINT_URL"] = bucket.endpoint.rstrip("/")
        options["AWS_ALLOW_HTTP"] = "true" if bucket.endpoint.startswith("http://") else "false"
    return Bucket(
        bucket.url.rstrip("/"),
        options,
        config.data_dir / "cache",
        bucket.cache_bytes,
        config.settings.store.hot_days,
    )


def open_elastic(config: Config, *, prefix: str | None = None, spool: Path | None = None) -> ElasticStore:
    """Return the store on Elasticsearch, whether or not it is the one in use.

    Args:
        config: the configuration.
        prefix: other names than the configuration's, for a store that is thrown away.
        spool: another spool, for such a store; it gets no lifecycle either.

    Raises:
        ConfigError: the configuration names no cluster.
    """
    from citysoc.stores.elastic import ElasticStore

    store = config.settings.store
    if store.elasticsearch is None:
        raise ConfigError(
            _("The configuration names no cluster."),
            where=str(config.path),
            hint=_("Write store: {elasticsearch: {urls: [...]}}."),
        )
    settings = store.elasticsearch
    if prefix is not None:
        settings = settings.model_copy(update={"prefix": prefix})
    return ElasticStore(
        settings,
        root=config.root,
        spool=spool or config.data_dir / "spool",
        timezone=ZoneInfo(config.settings.service.timezone),
        retention_days=None if spool else store.retention_days,
    )
