"""The part of ``citysoc.yaml`` that says where events are kept, and how long."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  pydantic asks for it at run time
from typing import Annotated, Literal

from pydantic import Field, model_validator

from citysoc.config.base import Identifier, Model, SecretReference
from citysoc.i18n import _


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
