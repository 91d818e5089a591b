"""The features, family by family: every number that the model sees, with unit and formula."""

from __future__ import annotations

from citysoc.detectors.anomaly.families import (
    antivirus,
    beaconing,
    failure,
    names,
    novelty,
    rhythm,
    spread,
    tunnel,
    volume,
)
from citysoc.detectors.anomaly.families import bytes as bytes_

VERSION = 3
"""Of the features' formulas: files of another version are computed again, models of another are refused."""

HOURLY = (
    *volume.FEATURES,
    *spread.FEATURES,
    *failure.FEATURES,
    *rhythm.FEATURES,
    *names.FEATURES,
    *bytes_.FEATURES,
    *antivirus.FEATURES,
    *beaconing.HOURLY,
    *tunnel.FEATURES,
)
"""Features of one hour's events alone."""

REMEMBERED = (*novelty.FEATURES, *antivirus.REMEMBERED, *beaconing.REMEMBERED)
"""Features that need what was seen in the days before."""

FEATURES = (*HOURLY, *REMEMBERED)
"""All features, in the order of the columns."""

NAMES = tuple(feature.name for feature in FEATURES)
BY_NAME = {feature.name: feature for feature in FEATURES}
