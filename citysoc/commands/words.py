"""Codes as people read them in tables: states, levels, what became of something, names of fields.

In English a code stands as it is: it is a word, and what one types. JSON and CSV always hold the codes.
"""

from __future__ import annotations

from citysoc.i18n import _, language, mark

_WORDS = frozenset(
    {
        # Alerts and incidents: lives and verdicts.
        *(mark("new"), mark("acknowledged"), mark("in_progress"), mark("closed")),
        *(mark("true_positive"), mark("false_positive"), mark("benign")),
        # The audit trail and notes.
        *(mark("state"), mark("verdict"), mark("owner"), mark("note"), mark("merge"), mark("absorb")),
        *(mark("notice_sent"), mark("report_sent"), mark("cause"), mark("scope"), mark("measure")),
        # Streams.
        *(mark("ok"), mark("late"), mark("silent"), mark("never")),
        # Deliveries.
        *(mark("pending"), mark("sending"), mark("delivered"), mark("dead")),
        # Jobs and rules.
        *(mark("done"), mark("nothing"), mark("failed"), mark("passed"), mark("degraded"), mark("refused")),
        *(mark("yes"), mark("no"), mark("active"), mark("staged"), mark("disabled")),
        *(mark("added"), mark("changed"), mark("removed"), mark("correlation"), mark("filter")),
        # Anomalies: kinds of entities, families of features, drift.
        *(
            mark("agency"),
            mark("host"),
            mark("account"),
            mark("outside"),
            mark("volume"),
            mark("spread"),
            mark("failure"),
        ),
        *(
            mark("novelty"),
            mark("rhythm"),
            mark("names"),
            mark("bytes"),
            mark("antivirus"),
            mark("beaconing"),
        ),
        *(mark("tunnel"), mark("steady"), mark("moved"), mark("drifted"), mark("early")),
        # Kinds of bodies.
        *(
            mark("party"),
            mark("city"),
            mark("department"),
            mark("subordinate"),
            mark("ward"),
            mark("commune"),
        ),
        *(mark("school"), mark("hospital"), mark("association"), mark("other")),
    }
)
_FIELDS = frozenset(
    {
        *(mark("id"), mark("rule"), mark("rules"), mark("title"), mark("level"), mark("severity")),
        *(
            mark("agency"),
            mark("agencies"),
            mark("group"),
            mark("entity"),
            mark("entities"),
            mark("class"),
            mark("classes"),
        ),
        *(mark("count"), mark("suppressed"), mark("first_seen"), mark("last_seen"), mark("window_seconds")),
        *(mark("created_at"), mark("updated_at"), mark("closed_at"), mark("samples"), mark("tags")),
        *(mark("matched"), mark("previous"), mark("incident"), mark("alerts"), mark("detected_at")),
        *(mark("notice_due_at"), mark("report_due_at"), mark("notice_sent_at"), mark("report_sent_at")),
        *(mark("revision"), mark("merged_into"), mark("clock"), mark("related alerts"), mark("notes")),
        *(mark("audit"), mark("at"), mark("who"), mark("action"), mark("before"), mark("after")),
        *(mark("detail"), mark("kind"), mark("text"), mark("name"), mark("name_en"), mark("networks")),
        *(mark("senders"), mark("aliases"), mark("expects"), mark("machines")),
        *(
            mark("own_level"),
            mark("status"),
            mark("in_use"),
            mark("reason"),
            mark("description"),
            mark("check"),
        ),
        *(mark("close"), mark("attack"), mark("falsepositives"), mark("references"), mark("author")),
        *(mark("license"), mark("logsource"), mark("path"), mark("set"), mark("evidence_hits")),
        *(mark("evidence_misses"), mark("filters"), mark("correlations"), mark("overrides"), mark("days")),
        *(mark("hits"), mark("staged_hits"), mark("hits_per_day"), mark("last_hit"), mark("tried")),
        *(mark("family"), mark("score"), mark("model"), mark("hour"), mark("search"), mark("reasons")),
        *(mark("expected once in"), mark("lowered by feedback"), mark("feature"), mark("meaning")),
        *(mark("value"), mark("expected"), mark("usual up to"), mark("last 72 h"), mark("undone_at")),
        *(
            mark("parts"),
            mark("event"),
            mark("cost_share"),
            mark("day"),
            mark("owner"),
            mark("expires"),
            mark("where"),
            mark("ended"),
        ),
    }
)


def word(code: str) -> str:
    """Return a code, or codes parted by a slash (``closed/benign``), in the reader's language."""
    return "/".join(_(part) if part in _WORDS else part for part in code.split("/"))


def level(code: str) -> str:
    """Return a level in the reader's language."""
    from citysoc.enrich.taxonomy import SEVERITIES

    return SEVERITIES[code].vi if language() == "vi" and code in SEVERITIES else code


def field(name: str) -> str:
    """Return the name of a field in the reader's language; names of ECS stay as they are."""
    return _(name) if name in _FIELDS or name in _WORDS else name
