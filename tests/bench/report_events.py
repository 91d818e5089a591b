"""A month of the whole city for measuring reports: columns drawn at random, written by the store's own append.

Nothing is parsed here, so that 60 million events take minutes: agencies, addresses, malware and classes have
the long tails that real ones have, antivirus speaks for the machines of the registry, every machine reports
its state once a day. Events have no original line: no figure reads it.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from citysoc.alerts.intake import take
from citysoc.config.models import Alerts
from citysoc.config.streams import streams
from citysoc.enrich.taxonomy import CLASSES
from citysoc.flow import LEVELS, Finding
from citysoc.state import State
from citysoc.state.values import stamp
from citysoc.stores.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa

    from citysoc.config.load import Config

FIRST = dt.datetime(2026, 9, 30, 17, tzinfo=dt.UTC)
"""The first of October in Huế."""
DAYS = 31
CASES = 1 / 30
"""Which part of the events counts as attack, spyware or virus: 2 of 60 millions."""
COMMIT_ROWS = 131_072
FINDINGS = 20_000
_DAY_US = 86_400_000_000
_THREATS = ("SCAN", "BRUTE", "EXPL", "WEB", "DDOS", "PHISH", "DEFACE", "APT", "UNAUTH", "BOT", "SPY")
_INFECTIONS = ("VIRUS", "TROJAN", "SPY", "MINER", "RANSOM")
_OUTCOMES = ("blocked", "deleted", "quarantined", "cleaned", "failed", "allowed")


def store_month(config: Config, events: int, *, seed: int = 7) -> int:
    """Write about so many events into the configured store; return how many."""
    import numpy as np

    store = LocalStore(config.store_path)
    made = _City(config, np.random.default_rng(seed))
    number = total = 0
    for day in range(DAYS):
        rows = made.day(day, events // DAYS)
        for start in range(0, len(rows), COMMIT_ROWS):
            number += 1
            store.append(rows.slice(start, COMMIT_ROWS), number)
        total += len(rows)
    return total


class _City:
    """Draws rows: values stand in pools, rows are places in them."""

    def __init__(self, config: Config, random: np.random.Generator) -> None:
        import numpy as np

        self.random = random
        agencies = list(config.registry)
        self.agencies = [agency.id for agency in agencies]
        self.levels = [agency.level for agency in agencies]
        machines = [
            (place, f"PC-{place:03}-{number:03}")
            for place, agency in enumerate(agencies)
            for number in range(agency.antivirus.machines if agency.antivirus else 0)
        ]
        self.owners = np.array([place for place, _ in machines])
        self.hosts = [host for _, host in machines]
        self.outside = [f"203.{a}.{b}.{c}" for a in range(4) for b in range(100) for c in range(1, 51)]
        self.inside = [
            f"10.{place // 256 + 1}.{place % 256}.{n}" for place in range(len(agencies)) for n in (5, 9)
        ]
        self.malware = [f"W32.Family{number:03}.{'ABCDE'[number % 5]}" for number in range(400)]
        self.paths = [
            f"C:\\Users\\u{number % 97}\\AppData\\Local\\Temp\\f{number:05}.exe" for number in range(8000)
        ]
        self.order = random.permutation(len(agencies))

    def day(self, number: int, events: int) -> pa.Table:
        """Return the rows of one day in the order of their time."""
        import pyarrow as pa

        cases = round(events * CASES)
        detections = round(cases * 0.2)
        parts = [
            self._traffic(events - cases - len(self.hosts)),
            self._attacks(cases - detections),
            self._detections(detections),
            self._states(number),
        ]
        rows = pa.concat_tables(parts, promote_options="default")
        times = FIRST + dt.timedelta(days=number)
        moments = self._times(len(rows)) + int(times.timestamp()) * 1_000_000
        time = pa.array(moments).cast(pa.timestamp("us", "UTC"))
        ids = pa.array([f"{number:02}-{row:08x}" for row in range(len(rows))])
        rows = rows.append_column("@timestamp", time).append_column("event.ingested", time)
        return rows.append_column("event.id", ids).sort_by("@timestamp").combine_chunks()

    def _times(self, count: int) -> np.ndarray[Any, Any]:
        """Return times of a day in microseconds: twice as much between 8 and 17 o'clock."""
        random = self.random
        busy = random.random(count) < 0.6
        hours = random.random(count)
        return ((busy * (8 + 9 * hours) + ~busy * (24 * hours)) / 24 * (_DAY_US - 1)).astype("int64")

    def _tail(self, size: int, count: int) -> np.ndarray[Any, Any]:
        """Return places with a long tail: the first hundredth has about half of all."""
        return (size * self.random.random(count) ** 4).astype("int64")

    def _taken(self, pool: Sequence[str], places: np.ndarray[Any, Any]) -> pa.Array:
        import pyarrow as pa

        return pa.array(list(pool), pa.string()).take(pa.array(places))

    def _of(
        self, places: np.ndarray[Any, Any], dataset: str, module: str, source: str
    ) -> dict[str, pa.Array]:
        import pyarrow as pa

        count = len(places)
        return {
            "event.module": pa.repeat(pa.scalar(module), count),
            "event.dataset": pa.repeat(pa.scalar(dataset), count),
            "agency.id": self._taken(self.agencies, places),
            "agency.level": self._taken(self.levels, places),
            "citysoc.source": self._taken([f"{agency}/{source}" for agency in self.agencies], places),
        }

    def _traffic(self, count: int) -> pa.Table:
        import numpy as np
        import pyarrow as pa

        random = self.random
        count = max(count, 0)
        places = self.order[self._tail(len(self.agencies), count)]
        denied = random.random(count) < 0.05
        columns = {
            **self._of(places, "fortigate.traffic", "fortigate", "firewall"),
            "source.ip": self._taken(self.inside, places * 2),
            "destination.ip": self._taken(self.outside, self._tail(len(self.outside), count)),
            "destination.port": pa.array(np.array([443, 80, 53, 445, 25])[self._tail(5, count)]),
            "source.bytes": pa.array(random.integers(60, 90_000, count)),
            "citysoc.outcome": pa.array(np.where(denied, "blocked", None), pa.string()),
            "citysoc.class": pa.array(np.where(denied, "POLICY", None), pa.string()),
        }
        return pa.table(columns)

    def _attacks(self, count: int) -> pa.Table:
        import numpy as np
        import pyarrow as pa

        places = self.order[self._tail(len(self.agencies), count)]
        kinds = self._tail(len(_THREATS), count)
        classes = self._taken(_THREATS, kinds)
        threats = [CLASSES[code].threat or "attack" for code in _THREATS]
        # Addresses of the network speak to command-and-control servers, all others come from outside.
        bots = kinds == _THREATS.index("BOT")
        inner, outer = self.inside, self.outside
        inside = places * 2
        outside = self._tail(len(outer), count)
        pool = [*inner, *outer]
        outcome = np.where(self.random.random(count) < 0.9, 0, 5)
        return pa.table(
            {
                **self._of(places, "fortigate.utm", "fortigate", "firewall"),
                "source.ip": self._taken(pool, np.where(bots, inside, outside + len(inner))),
                "destination.ip": self._taken(pool, np.where(bots, outside + len(inner), inside + 1)),
                "citysoc.class": classes,
                "citysoc.threat": self._taken(threats, kinds),
                "citysoc.outcome": self._taken(_OUTCOMES, outcome),
            }
        )

    def _detections(self, count: int) -> pa.Table:
        import pyarrow as pa

        machines = self._tail(len(self.hosts), count)
        malware = self._tail(len(self.malware), count)
        kinds = malware % len(_INFECTIONS)
        threats = [CLASSES[code].threat or "virus" for code in _INFECTIONS]
        return pa.table(
            {
                **self._of(self.owners[machines], "antivirus.detection", "antivirus", "antivirus"),
                "host.name": self._taken(self.hosts, machines),
                "threat.software.name": self._taken(self.malware, malware),
                "file.path": self._taken(self.paths, self._tail(len(self.paths), count)),
                "citysoc.class": self._taken(_INFECTIONS, kinds),
                "citysoc.threat": self._taken(threats, kinds),
                "citysoc.outcome": self._taken(_OUTCOMES[1:], self._tail(5, count)),
            }
        )

    def _states(self, day: int) -> pa.Table:
        """Return what every machine says of itself once a day, and every console of its machines."""
        import numpy as np
        import pyarrow as pa

        count = len(self.hosts)
        machines = np.arange(count)
        on = self.random.random(count) < 0.97
        quality = {
            **self._of(self.owners, "avreport.quality", "avreport", "avreport"),
            "host.name": self._taken(self.hosts, machines),
            "citysoc.extra": self._taken(
                ['{"avreport.auto_protect":false}', '{"avreport.auto_protect":true}'], on.astype("int64")
            ),
        }
        owners = np.unique(self.owners)
        late = [f'{{"avreport.not_updated_15_days":{(place + day) % 9}}}' for place in owners]
        update = {
            **self._of(owners, "avreport.update", "avreport", "avreport"),
            "citysoc.extra": pa.array(late),
        }
        return pa.concat_tables([pa.table(quality), pa.table(update)], promote_options="default")


def alert_month(config: Config, *, findings: int = FINDINGS) -> None:
    """Put a month of alerts, incidents, streams and counters into the state."""
    agencies = [agency.id for agency in config.registry]
    found = []
    for number in range(findings):
        place = number * 7919 % len(agencies)
        rule = number % 61
        found.append(
            Finding(
                rule=f"rule-{rule:02}",
                title=f"Rule {rule:02}",
                title_vi=f"Luật {rule:02}",
                level=LEVELS[1 + (number * 31 + rule) % 4],
                agency=agencies[place * place % len(agencies)],
                event_id=f"e{number}",
                timestamp=FIRST + dt.timedelta(days=DAYS) * (number / findings),
                matched={},
                entity=f"host:PC-{place % 100}",
            )
        )
    state = State(config.state_path)
    try:
        for start in range(0, findings, 2000):
            part = found[start : start + 2000]
            with state.transaction() as db:
                take(db, part, policy=Alerts(), webhooks=(), now=part[-1].timestamp)
        _speak(config, state)
    finally:
        state.close()


def _speak(config: Config, state: State) -> None:
    """Let every expected stream but each twentieth speak on every day."""
    expected = [(stream.id, stream.agency, stream.source) for stream in streams(config)]
    hours = [stamp(FIRST + dt.timedelta(days=day, hours=3)) for day in range(DAYS)]
    last = stamp(FIRST + dt.timedelta(days=DAYS) - dt.timedelta(minutes=5))
    with state.transaction() as db:
        for number, (stream, agency, source) in enumerate(expected):
            if number % 20 == 0:
                continue
            db.execute(
                "INSERT INTO streams (stream, agency, source, expected, state, first_arrival, last_arrival)"
                " VALUES (?, ?, ?, 1, 'ok', ?, ?)",
                (stream, agency, source, hours[0], last),
            )
            db.executemany(
                "INSERT INTO counters (stream, hour, received, stored) VALUES (?, ?, 1000, 1000)",
                [(stream, hour) for hour in hours],
            )
