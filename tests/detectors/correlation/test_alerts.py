"""The same alerts however events arrive: agencies, counts, times, samples, through the real intake."""

from __future__ import annotations

import datetime as dt
import itertools
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from test_state import CUTS, DELAYS, LATE, delayed, loaded
from workbench import EPOCH, clock, correlator, event, matches, numbered

from citysoc.alerts.intake import take
from citysoc.config.models import Alerts
from citysoc.state import State

NOW = EPOCH + dt.timedelta(days=1)
AGENCIES = ("so-y-te", "so-xay-dung", "ubnd-phu-xuan")
EVENTS = st.lists(
    st.builds(
        event,
        st.integers(0, 60),
        st.sampled_from(["1", "2", "3", "4"]),
        user=st.sampled_from(["an", "AN", "binh"]),
        ip=st.sampled_from(["10.0.0.1", "10.0.0.2", "an"]),
        bytes=st.sampled_from([0, 1, 2.5, 7, None]),
        agency=st.sampled_from(AGENCIES),
    ),
    max_size=30,
)


def alerts(batches, *, restarts=False, each=False):
    """Return the alerts of batches of events, each committed by itself."""
    kept: dict[str, bytes] = {}
    options = {"lateness_seconds": LATE, "saves": True, "each": each}
    with tempfile.TemporaryDirectory() as folder:
        state = State(Path(folder) / "citysoc.db")
        try:
            one = correlator(loaded(), **options)
            for batch in batches:
                if restarts:
                    one = correlator(loaded(), **options)
                    one.restore(kept)
                _take(state, one.feed(*_told(batch)))
                for name, content in one.delta().items():
                    if content is None:
                        kept.pop(name, None)
                    else:
                        kept[name] = content
            _take(state, one.finish())
            rows = state.rows(
                "SELECT id, rule, agency, agencies, group_values, entity, count, first_seen, last_seen, samples, matched"
                " FROM alerts ORDER BY rule, first_seen, id"
            )
            return [tuple(row) for row in rows]
        finally:
            state.close()


def _told(batch):
    """Return what a batch tells the correlator, each agency by its own file."""
    fed, clocks = [], []
    for agency in AGENCIES:
        own = [item for item in batch if item["agency.id"] == agency]
        if own:
            fed += matches(loaded(), own, f"{agency}/windows")[0]
            clocks.append(clock(own, f"{agency}/windows|a.log")._replace(agency=agency))
    return fed, clocks


def _take(state, findings):
    with state.transaction() as db:
        take(db, findings, policy=Alerts(), webhooks=(), now=NOW)


def in_order(events):
    return sorted(numbered(events), key=lambda item: (item["@timestamp"], item["event.id"]))


@settings(max_examples=40, deadline=None)
@given(EVENTS, DELAYS, CUTS, st.booleans())
def test_shuffled_cut_and_restarted(events, delays, cuts, restarts):
    arriving = delayed(events, delays)
    bounds = [0, *sorted(cut % (len(arriving) + 1) for cut in cuts), len(arriving)]
    batches = [arriving[start:end] for start, end in itertools.pairwise(bounds)]
    assert alerts(batches, restarts=restarts) == alerts([in_order(events)])


@settings(max_examples=15, deadline=None)
@given(EVENTS, DELAYS)
def test_one_event_a_batch_with_a_restart_before_each(events, delays):
    assert alerts([[item] for item in delayed(events, delays)], restarts=True) == alerts([in_order(events)])


@settings(max_examples=30, deadline=None)
@given(EVENTS)
def test_a_finding_may_stand_for_many_windows(events):
    """Told window by window or many at once, the alerts are the same."""
    assert alerts([in_order(events)], each=True) == alerts([in_order(events)])


def test_alerts_of_the_city_name_its_agencies():
    events = [event(n, "3", agency=agency) for n, agency in enumerate([*AGENCIES, AGENCIES[0]])]
    (wide,) = [row for row in alerts([in_order(events)]) if row[1] == "wide"]
    assert wide[2] == "city"
    assert wide[3] == '["so-xay-dung","so-y-te","ubnd-phu-xuan"]'
    assert wide[6] == 3, "the second, third and fourth event end windows that qualify"
