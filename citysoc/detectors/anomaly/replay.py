"""The labelled replay: known campaigns laid over real quiet hours, to compare models where nobody labels.

A campaign here is what it does to the features of one entity and hour. It is added to randomly chosen
rows of the held-out days; the model is good when it ranks those rows above all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.detectors.anomaly import history, model

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from citysoc.detectors.anomaly.feature import Kind
    from citysoc.detectors.anomaly.model import Model

EACH = 12
"""Rows a campaign is laid over."""
HOURS = 24
"""So many of the last held-out hours are used."""

CAMPAIGNS: dict[str, tuple[Kind, dict[str, float]]] = {
    "scan": ("host", {"events": 8, "peers": 7, "inside_peers": 7, "denied_out": 7, "ports": 3}),
    "beacon": (
        "host",
        {"events": 6, "connections": 6, "regular_calls": 5.7, "faithful_hours": 14, "first_peers": 1},
    ),
    "spray": (
        "host",
        {"events": 30, "failed_logons": 30, "failed_accounts": 30, "accounts": 30, "new_accounts": 25},
    ),
    "exfiltration": (
        "host",
        {"connections": 6, "bytes_out": 1.6e9, "closed_bytes": 1.6e9, "largest_out": 4e8, "one_sided": 250},
    ),
    "worm": ("agency", {"detections": 9, "infected_hosts": 8, "one_malware_hosts": 8, "outbreak_hosts": 14}),
    "protection-off": ("agency", {"protection_off": 4}),
    "tool": ("host", {"processes": 5, "new_programs": 1, "first_programs": 1, "new_accounts": 1}),
    "tunnel": (
        "host",
        {
            "questions": 150,
            "names": 150,
            "names_of_one_domain": 150,
            "letters_of_one_domain": 7000,
            "longest_name": 62,
        },
    ),
    "made-names": (
        "host",
        {"questions": 60, "names": 60, "odd_names": 12, "oddest_name": 7.5, "missing_names": 58},
    ),
}
"""Campaign to the kind of entity and what is added to its features."""


def measure(trained: Model, folder: Path, quiet: int, last: int, seed: int) -> dict[str, Any]:
    """Return the average precision over the last held-out hours, and the recall at the model's threshold.

    Args:
        trained: the model.
        folder: the feature table.
        quiet: the first held-out hour.
        last: the hour after the last.
        seed: of the rows that are chosen.
    """
    import numpy as np
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng([seed, 7])
    scores: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    recall: dict[str, float] = {}
    for kind in sorted({kind for kind, _ in CAMPAIGNS.values()}):
        table = history.read(folder, kind, max(quiet, last - HOURS), last)
        if not table.num_rows:
            continue
        for name, (of, added) in CAMPAIGNS.items():
            if of != kind:
                continue
            rows = rng.choice(table.num_rows, min(EACH, table.num_rows), replace=False)
            scored = model.score(trained.kinds[kind], _laid_over(table.take(np.sort(rows)), added))
            recall[name] = round(float((scored.score >= trained.threshold).mean()), 3)
            scores.append(scored.score)
            labels.append(np.ones(len(rows)))
        plain = model.score(trained.kinds[kind], table)
        scores.append(plain.score)
        labels.append(np.zeros(table.num_rows))
    if not scores:
        return {"average_precision": 0.0, "recall": {}}
    precision = average_precision_score(np.concatenate(labels), np.concatenate(scores))
    return {"average_precision": round(float(precision), 4), "recall": recall}


def _laid_over(table: pa.Table, added: dict[str, float]) -> pa.Table:
    """Return rows with something added to their features."""
    import numpy as np
    import pyarrow as pa

    for name, amount in added.items():
        values = table[name].to_numpy().astype(np.float32) + np.float32(amount)
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values))
    return table
