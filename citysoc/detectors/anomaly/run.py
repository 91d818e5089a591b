"""What the schedule and the commands do: refresh the table, train and promote, score and tell."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from citysoc import telemetry
from citysoc.alerts.intake import take
from citysoc.detectors.anomaly import anomalies, days, event, files, journal, scored, train, watch
from citysoc.detectors.anomaly.families import VERSION
from citysoc.errors import StoreError
from citysoc.state import handed
from citysoc.stores.base import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from citysoc.config.load import Config
    from citysoc.detectors.anomaly.anomalies import Anomaly
    from citysoc.detectors.anomaly.model import Model
    from citysoc.flow import Finding
    from citysoc.state import State
    from citysoc.stores.base import EventStore

_log = telemetry.logger("anomaly")

WINDOW = dt.timedelta(days=30)
LATE = dt.timedelta(hours=26)
"""The hourly scoring looks back so far for late data."""
STALE = dt.timedelta(days=14)
"""A model that is older is said to be stale."""
BUDGET = 20.0
"""Alerts a day for the whole city."""
FRESH = dt.timedelta(days=6)
"""A model that is younger is not trained again by the schedule."""
FLOODED = 2.0
"""So many times the budget in a day is a flood."""
KEPT = dt.timedelta(days=100)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training brought: the new model, whether it is in use now, and the replay's figures."""

    model: Model
    promoted: bool
    compared: dict[str, Any]


def table_folder(config: Config) -> Path:
    """Return where the feature table is."""
    return config.data_dir / "anomaly" / "features"


def model_folder(config: Config) -> Path:
    """Return where the models are."""
    return config.data_dir / "anomaly"


def networks(config: Config) -> list[str]:
    """Return the registry's networks."""
    return [str(network) for agency in config.registry for network in agency.networks]


def refresh(
    config: Config,
    store: EventStore,
    since: dt.datetime,
    until: dt.datetime,
    moved: Callable[[int], None] = lambda _: None,
) -> days.Refreshed:
    """Bring the feature table of a span up to date."""
    return days.refresh(
        store, table_folder(config), since=since, until=until, networks=networks(config), moved=moved
    )


def train_and_promote(
    config: Config,
    store: EventStore,
    *,
    since: dt.datetime,
    until: dt.datetime,
    seed: int = 1,
    budget: float | None = None,
    force: bool = False,
    moved: Callable[[int], None] = lambda _: None,
    progress: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Train on a span; put the model into use when it is not worse than the one in use.

    Args:
        config: the configuration.
        store: the events.
        since: begin of the window.
        until: its end.
        seed: of everything drawn.
        budget: alerts a day; None for that of the model in use, ``BUDGET`` without one.
        force: put it into use in any case.
        moved: told how many events were read for the table.
        progress: told the stage.

    Raises:
        StoreError: there is too little data.
    """
    refresh(config, store, since, until, moved)
    folder = table_folder(config)
    if budget is None:
        budget = float((files.facts(model_folder(config)) or {}).get("budget", BUDGET))
    fresh = train.train(
        folder,
        first=days.hour_of(since),
        last=days.hour_of(until),
        seed=seed,
        budget=budget,
        progress=progress,
    )
    try:
        old: Model | None = files.load(model_folder(config))
    except StoreError:
        old = None
    good, compared = train.better(fresh, old, folder)
    promoted = good or force
    files.save(
        replace(fresh, facts={**fresh.facts, "compared": compared}),
        model_folder(config),
        name="model" if promoted else "refused",
    )
    _log.info("model.trained", promoted=promoted, **{k: v["average_precision"] for k, v in compared.items()})
    return Trained(fresh, promoted, compared)


def score(
    config: Config,
    store: EventStore,
    state: State,
    *,
    since: dt.datetime,
    until: dt.datetime,
    now: dt.datetime,
    tell: bool = True,
    new_only: bool = False,
) -> tuple[list[Anomaly], int]:
    """Score whole hours and tell what is new as alerts, and to correlations.

    Args:
        config: the configuration.
        store: the events.
        state: opened for writing when ``tell``.
        since: the first hour.
        until: hours that end by then.
        now: the present.
        tell: write anomalies down and raise alerts.
        new_only: leave out the hours that were scored before as they are now.

    Returns:
        All anomalies of the hours that were scored, and how many of them are new.
    """
    folder = model_folder(config)
    digest = str((files.facts(folder) or {}).get("digest", ""))
    trained = None if digest and new_only else files.load(folder)
    refresh(config, store, since, until)
    first, last = days.hour_of(since), days.hour_of(until)
    lowered = journal.lowered(state)
    what = scored.key(digest, lowered)
    counted = scored.events(table_folder(config), first, last)
    if new_only:
        begin = scored.due(folder, what, counted)
        if begin is None:
            return [], 0
        first = begin
    trained = trained or files.load(folder)
    counts: watch.Counts = {}
    found = train.score_span(
        trained,
        table_folder(config),
        first,
        last,
        lowered=lowered,
        seen=lambda kind, rows: watch.count(counts, trained.kinds[kind], kind, rows),
    )
    if not tell:
        return found, 0
    untold = _untold(state, found)
    findings = {one.id: _finding(store, one, trained) for one in untold}
    as_events = {one.id: event.events(store, [one]) for one in untold}
    settings = config.settings
    with state.transaction() as db:
        new = journal.write(db, found, model=str(trained.facts.get("digest", "")), now=now)
        told = [findings[one.id] for one in new if one.id in findings]
        take(db, told, policy=settings.alerts, webhooks=settings.webhooks, now=now)
        handed.hand_in(db, [made for one in new for made in as_events.get(one.id, ())])
        journal.prune(db, now - KEPT)
        handed.prune(db, now - KEPT)
    watch.keep(model_folder(config), trained, counts)
    scored.keep(model_folder(config), what, counted)
    _log.info("span.scored", anomalies=len(found), new=len(new))
    return found, len(new)


def _untold(state: State, found: Sequence[Anomaly]) -> list[Anomaly]:
    known = {row["id"] for row in state.rows("SELECT id FROM anomalies")}
    return [one for one in found if one.id not in known]


def _finding(store: EventStore, one: Anomaly, trained: Model) -> Finding:
    """Return an anomaly as a finding with one of its events as the sample."""
    begin = days.moment_of(one.hour)
    question = Question(anomalies.query(one), begin, begin + dt.timedelta(hours=1))
    sample = next(iter(store.search(question, fields=("event.id",), limit=1)), None)
    return anomalies.finding(
        one, threshold=trained.threshold, event_id=str(sample["event.id"]) if sample else ""
    )


def ready(config: Config) -> bool:
    """Return whether there is a model to score with."""
    return files.facts(model_folder(config)) is not None


def drifted(config: Config) -> list[watch.Drift]:
    """Return the families that have drifted."""
    return [one for one in drifts(config) if one.state == "drifted"]


def should_train(config: Config, store: EventStore, until: dt.datetime) -> bool:
    """Return whether there is enough to learn from and no fresh model; features too old are removed."""
    told = files.facts(model_folder(config))
    if told is not None and told["features"] == VERSION:
        age = until - dt.datetime.fromisoformat(told["window"]["until"])
        if age < FRESH:
            return False
    days.prune(table_folder(config), until - KEPT)
    status = store.status()
    return status.first is not None and until - status.first >= dt.timedelta(days=train.LEAST_DAYS + 1)


def drifts(config: Config) -> list[watch.Drift]:
    """Return how far each family has moved from what the model in use learnt on, the farthest first."""
    folder = model_folder(config)
    return watch.drifts(folder, str((files.facts(folder) or {}).get("digest", "")))


def health(facts: dict[str, Any], told_last_day: int, now: dt.datetime) -> list[str]:
    """Return what is wrong with the model in use: ``stale``, ``flood``; nothing when all is well."""
    until = dt.datetime.fromisoformat(facts["window"]["until"])
    wrong = ["stale"] if now - until > STALE else []
    budget = max(float(facts.get("budget", BUDGET)), 1)
    if told_last_day > FLOODED * budget:
        wrong.append("flood")
    return wrong
