"""Feeds are fetched within bounds, and never from where a redirect would lead us inside."""

from __future__ import annotations

import gzip

import pytest
from werkzeug import Response

from citysoc.config.intel import Feed
from citysoc.errors import InputError
from citysoc.pipeline.fetching import fetch


def feed_of(httpserver, path="/feed", **options):
    url = httpserver if isinstance(httpserver, str) else httpserver.url_for(path)
    return Feed.model_validate({"id": "far", "url": url, "allow_private_network": True} | options)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "edition"


def test_an_edition_is_written_and_asked_for_by_its_marks(httpserver, target, tmp_path):
    seen = []

    def answer(request):
        seen.append(dict(request.headers))
        if request.headers.get("if-none-match") == '"7"':
            return Response(status=304)
        return Response(
            b"45.61.1.1\n", headers={"etag": '"7"', "last-modified": "Sun, 22 Nov 2026 07:00:00 GMT"}
        )

    httpserver.expect_request("/feed").respond_with_handler(answer)
    answered = fetch(feed_of(httpserver), target, root=tmp_path)
    assert target.read_bytes() == b"45.61.1.1\n"
    assert (answered.etag, answered.modified) == ('"7"', "Sun, 22 Nov 2026 07:00:00 GMT")
    assert fetch(feed_of(httpserver), target, root=tmp_path, etag=answered.etag) is None
    fetch(feed_of(httpserver), target, root=tmp_path, modified=answered.modified)
    assert seen[2]["If-Modified-Since"] == answered.modified


def test_our_own_network_is_not_reached_unless_the_configuration_says_so(httpserver, target, tmp_path):
    httpserver.expect_request("/feed").respond_with_data("45.61.1.1\n")
    with pytest.raises(InputError, match="loopback"):
        fetch(feed_of(httpserver, allow_private_network=False), target, root=tmp_path)
    for url in ("http://169.254.169.254/latest", "http://0.0.0.0/x", "http://[::]/x"):
        with pytest.raises(InputError, match="address"):
            fetch(feed_of(url), target, root=tmp_path)
    assert httpserver.log == []


def test_a_redirect_is_judged_like_the_first_address(httpserver, target, tmp_path):
    """A public name that redirects to an address of ours is refused before anything is asked there."""
    asked = []

    async def resolver(host, _port):
        asked.append(host)
        return ["127.0.0.1"] if host == "inside.top" else ["169.254.169.254"]

    httpserver.expect_request("/feed").respond_with_data(
        "", 302, {"location": f"http://cloud.top:{httpserver.port}/x"}
    )
    url = f"http://inside.top:{httpserver.port}/feed"
    with pytest.raises(InputError, match="link-local"):
        fetch(feed_of(url), target, root=tmp_path, resolver=resolver)
    assert asked == ["inside.top", "cloud.top"]


@pytest.mark.parametrize("location", ["ftp://x.top/", "file:///etc/passwd", "", "http://"])
def test_redirects_to_nowhere_are_refused(httpserver, target, tmp_path, location):
    httpserver.expect_request("/feed").respond_with_data("", 302, {"location": location})
    with pytest.raises(InputError):
        fetch(feed_of(httpserver), target, root=tmp_path)


def test_redirects_are_followed_a_few_hops_and_secrets_stay_at_home(
    httpserver, target, tmp_path, monkeypatch
):
    monkeypatch.setenv("FEED_KEY", "very secret")
    seen = []

    def answer(request):
        seen.append(request.headers.get("x-key"))
        return Response(b"45.61.1.1\n")

    httpserver.expect_request("/moved").respond_with_handler(answer)
    elsewhere = f"http://127.0.0.1:{httpserver.port}/moved"
    httpserver.expect_request("/feed").respond_with_data("", 301, {"location": elsewhere})
    httpserver.expect_request("/round").respond_with_data("", 302, {"location": "/round"})
    feed = feed_of(httpserver).model_copy(update={"headers": {"x-key": "env:FEED_KEY"}})
    fetch(feed, target, root=tmp_path)
    assert seen == [None]
    fetch(feed.model_copy(update={"url": httpserver.url_for("/moved")}), target, root=tmp_path)
    assert seen == [None, "very secret"]
    with pytest.raises(InputError, match="too often"):
        fetch(feed_of(httpserver, "/round"), target, root=tmp_path)
    assert len([request for request, _answer in httpserver.log if request.path == "/round"]) == 4


def test_sizes_and_times_are_bounded(httpserver, target, tmp_path):
    httpserver.expect_request("/large").respond_with_data(b"x" * 5000)
    bomb = gzip.compress(bytes(50_000_000))
    httpserver.expect_request("/bomb").respond_with_data(bomb, headers={"content-encoding": "gzip"})

    def slow(_request):
        def drops():
            import time

            for _number in range(20):
                time.sleep(0.1)
                yield b"45.61.1.1\n"

        return Response(drops())

    httpserver.expect_request("/slow").respond_with_handler(slow)
    for path in ("/large", "/bomb"):
        with pytest.raises(InputError, match="larger than 1024 bytes"):
            fetch(feed_of(httpserver, path, max_bytes=1024), target, root=tmp_path)
    with pytest.raises(InputError, match=r"longer than 0\.5 s"):
        fetch(feed_of(httpserver, "/slow", timeout_seconds=0.5), target, root=tmp_path)


def test_secrets_need_https():
    with pytest.raises(ValueError, match="https"):
        Feed.model_validate({"id": "a", "url": "http://x.top/", "headers": {"x": "env:KEY"}})
    with pytest.raises(ValueError, match="reference"):
        Feed.model_validate({"id": "a", "url": "https://x.top/", "headers": {"x": "a value"}})
    with pytest.raises(ValueError, match="url or a path"):
        Feed.model_validate({"id": "a", "url": "https://x.top/", "path": "x"})
