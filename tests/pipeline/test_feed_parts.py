"""Feeds of many documents: a MISP feed's manifest with its events, a TAXII 2.1 collection in pages; from a real server."""

from __future__ import annotations

import json
import time

import pytest
from werkzeug import Response

from citysoc.config.intel import Feed
from citysoc.detectors.intel.indicator import Account
from citysoc.detectors.intel.reading import read_feed
from citysoc.errors import InputError
from citysoc.pipeline import feed_parts
from citysoc.pipeline.feed_parts import fetch_edition, is_manifest, join_folder

ONE, TWO, THREE = (f"5f0c1a2b-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))


def event(*values, **more):
    attributes = [{"type": "domain", "value": value, "to_ids": True} for value in values]
    sample = {"type": "malware-sample", "value": "a.exe|" + "ef" * 16, "to_ids": True, "data": "QUJD" * 1000}
    return {"Event": {"info": "Loader", "Attribute": [*attributes, sample], **more}}


class Site:
    """A MISP feed on a server, whose files can be changed."""

    def __init__(self, httpserver):
        self.server = httpserver
        self.files = {}
        self.asked = []
        httpserver.expect_request("/feed/manifest.json").respond_with_handler(self.answer)
        for uuid in (ONE, TWO, THREE):
            httpserver.expect_request(f"/feed/{uuid}.json").respond_with_handler(self.answer)

    def answer(self, request):
        name = request.path.rpartition("/")[2]
        self.asked.append(name)
        body = self.files.get(name)
        if body is None:
            return Response(status=404)
        mark = f'"{hash(body)}"'
        if request.headers.get("if-none-match") == mark:
            return Response(status=304)
        return Response(body, headers={"etag": mark})

    def put(self, manifest, **events):
        self.files = {f"{uuid}.json": json.dumps(one) for uuid, one in events.items()}
        self.files["manifest.json"] = json.dumps(manifest)

    def feed(self, **options):
        url = self.server.url_for("/feed/manifest.json")
        return Feed.model_validate({"id": "far", "url": url, "allow_private_network": True} | options)


@pytest.fixture
def site(httpserver):
    return Site(httpserver)


@pytest.fixture
def take(tmp_path):
    def taking(feed, **marks):
        target = tmp_path / "edition"
        answer = fetch_edition(feed, target, root=tmp_path, parts=tmp_path / "parts", **marks)
        if answer is None:
            return None, None, None
        account = Account()
        form = "stix" if feed.format == "taxii" else feed.format
        found = sorted((one.kind, one.value) for one in read_feed(target, format_=form, account=account))
        return found, account, answer

    return taking


def test_a_manifest_brings_its_events_and_only_new_editions_are_fetched_again(site, take):
    site.put(
        {ONE: {"timestamp": "10"}, TWO: {"timestamp": 20}}, **{ONE: event("bad.top"), TWO: event("worse.top")}
    )
    found, account, answer = take(site.feed())
    assert found == [("domain", "bad.top"), ("domain", "worse.top"), ("hash", "ef" * 16), ("hash", "ef" * 16)]
    assert account.format == "misp"
    assert site.asked == ["manifest.json", f"{TWO}.json", f"{ONE}.json"]
    assert take(site.feed(), etag=answer.etag) == (None, None, None)
    site.asked.clear()
    site.put(
        {ONE: {"timestamp": "11"}, THREE: {"timestamp": "30"}},
        **{ONE: event("bad2.top"), THREE: event("new.top")},
    )
    found, _account, _answer = take(site.feed())
    assert [value for kind, value in found if kind == "domain"] == ["bad2.top", "new.top"]
    assert site.asked == ["manifest.json", f"{THREE}.json", f"{ONE}.json"]
    site.asked.clear()
    assert [value for kind, value in take(site.feed())[0] if kind == "domain"] == ["bad2.top", "new.top"]
    assert site.asked == ["manifest.json"]


def test_attachments_are_left_out(site, take, tmp_path):
    site.put({ONE: {"timestamp": "1"}}, **{ONE: event("bad.top")})
    take(site.feed())
    assert b"QUJD" not in (tmp_path / "edition").read_bytes()


def test_one_broken_event_does_not_stop_the_others_and_none_at_all_is_an_error(site, take):
    site.put({uuid: {"timestamp": "1"} for uuid in (ONE, TWO, THREE)}, **{ONE: event("bad.top"), TWO: []})
    assert [value for kind, value in take(site.feed())[0] if kind == "domain"] == ["bad.top"]
    site.put({TWO: {"timestamp": "2"}})
    with pytest.raises(InputError, match="No event"):
        take(site.feed())


@pytest.mark.parametrize(
    ("manifest", "why"),
    [([], "no manifest"), ({}, "names no event"), ({"../../etc/passwd": {"timestamp": "1"}}, "names no event"),
     ({ONE: {"timestamp": "9" * 400}}, "names no event"), ({ONE: {"timestamp": "../x"}}, "names no event"), ({ONE: 7}, "names no event")],
)  # fmt: skip
def test_what_is_no_manifest_is_said(site, take, manifest, why):
    site.put(manifest)
    with pytest.raises(InputError, match=why):
        take(site.feed())
    assert site.asked == ["manifest.json"]


def test_what_an_interrupted_fetch_has_got_is_kept(site, take, tmp_path):
    site.put(
        {ONE: {"timestamp": "1"}, TWO: {"timestamp": "2"}}, **{ONE: event("bad.top"), TWO: event("worse.top")}
    )
    answer = site.answer

    def slow(request):
        if ONE in request.path:
            time.sleep(0.6)
        return answer(request)

    site.server.clear_all_handlers()
    for name in ("manifest.json", f"{ONE}.json", f"{TWO}.json"):
        site.server.expect_request(f"/feed/{name}").respond_with_handler(slow)
    with pytest.raises(InputError, match="longer than") as caught:
        take(site.feed(timeout_seconds=0.5))
    assert caught.value.transient
    assert [path.name for path in (tmp_path / "parts").glob("*.json")] == [f"{TWO}.2.json"]
    site.asked.clear()
    assert len(take(site.feed())[0]) == 4
    assert f"{TWO}.json" not in site.asked


def test_a_folder_with_a_manifest_is_a_feed_too(tmp_path):
    folder = tmp_path / "feed"
    folder.mkdir()
    with pytest.raises(InputError, match=r"no manifest\.json"):
        join_folder(folder, tmp_path / "whole")
    (folder / "manifest.json").write_text(json.dumps({ONE: {"timestamp": "1"}, TWO: {"timestamp": "1"}}))
    (folder / f"{ONE}.json").write_text(json.dumps(event("bad.top")))
    (folder / "other.json").write_text(json.dumps(event("not-named.top")))
    join_folder(folder, tmp_path / "whole")
    found = list(read_feed(tmp_path / "whole", account=Account()))
    assert [one.value for one in found if one.kind == "domain"] == ["bad.top"]


def test_the_whole_is_bounded(site, take, monkeypatch):
    monkeypatch.setattr(feed_parts, "_MAX_BYTES", 200)
    site.put(
        {ONE: {"timestamp": "1"}, TWO: {"timestamp": "2"}}, **{ONE: event("bad.top"), TWO: event("worse.top")}
    )
    with pytest.raises(InputError, match="larger than 200"):
        take(site.feed())


def test_which_places_are_manifests():
    assert is_manifest("https://x.top/feed/manifest.json")
    assert is_manifest("https://x.top/feed/manifest.json?key=1")
    assert not is_manifest("https://x.top/feed/manifest.json.gz")
    assert not is_manifest("https://x.top/?next=/manifest.json")


def indicator(number, value):
    return {
        "type": "indicator",
        "id": f"indicator--{number}",
        "pattern": f"[domain-name:value = '{value}']",
        "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00Z",
    }


@pytest.fixture
def collection(httpserver):
    asked = []
    pages = {
        None: {"more": True, "next": "p 2&", "objects": [indicator(1, "one.top"), {"type": "identity", "id": "identity--1"}]},
        "p 2&": {"more": True, "next": "p3", "objects": [indicator(2, "two.top"), "nonsense"]},
        "p3": {"more": False, "objects": [indicator(3, "three.top")]},
    }  # fmt: skip

    def answer(request):
        asked.append((request.args.get("next"), request.headers.get("accept")))
        if "taxii+json;version=2.1" not in request.headers.get("accept", ""):
            return Response(status=406)
        return Response(
            json.dumps(pages[request.args.get("next")]), content_type="application/taxii+json;version=2.1"
        )

    httpserver.expect_request("/api/collections/7/objects/").respond_with_handler(answer)
    url = httpserver.url_for("/api/collections/7/objects/?match[type]=indicator")
    feed = Feed.model_validate({"id": "far", "url": url, "format": "taxii", "allow_private_network": True})
    return feed, pages, asked


def test_a_collection_is_read_page_by_page(collection, take):
    feed, _pages, asked = collection
    found, account, _answer = take(feed)
    assert found == [("domain", "one.top"), ("domain", "three.top"), ("domain", "two.top")]
    assert account.format == "stix"
    assert [page for page, _accept in asked] == [None, "p 2&", "p3"]


def test_a_collection_that_leads_in_circles_ends(collection, take):
    feed, pages, asked = collection
    pages["p3"] = {"more": True, "next": "p3", "objects": [indicator(3, "three.top")]}
    assert len(take(feed)[0]) == 3
    assert len(asked) == 3


@pytest.mark.parametrize("page", [[], {"objects": 7}, {"objects": []}, {}])
def test_what_is_no_collection_is_said(collection, take, page):
    feed, pages, _asked = collection
    pages[None] = page
    with pytest.raises(InputError):
        take(feed)


def test_a_collection_has_a_url():
    with pytest.raises(ValueError, match="url"):
        Feed.model_validate({"id": "a", "path": "x", "format": "taxii"})
