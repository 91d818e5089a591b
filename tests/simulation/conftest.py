"""A small city, made once: some of the example's agencies with all of their sources."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import citysoc
from citysoc.config.load import load_agencies
from citysoc.simulation.city import with_relays
from citysoc.simulation.write import simulate

sys.path.insert(0, str(Path(__file__).parent))  # for written_city, which two modules share

EXAMPLE = Path(citysoc.__file__).parent / "config" / "example" / "agencies.yaml"


@pytest.fixture(scope="session")
def whole_city():
    return tuple(load_agencies(EXAMPLE))


@pytest.fixture(scope="session")
def agencies(whole_city):
    """Every eighth agency, and every one with a sensor: all kinds of sources are among them."""
    return with_relays(a for n, a in enumerate(whole_city) if n % 8 == 0 or "ids" in a.expects)


@pytest.fixture(scope="session")
def month(agencies, tmp_path_factory):
    """A simulated month: its directory and its ground truth."""
    directory = tmp_path_factory.mktemp("city")
    return directory, simulate(agencies, month="2026-10", records=9000, seed=7, directory=directory)


@pytest.fixture(scope="session")
def quiet_month(whole_city, tmp_path_factory):
    """The whole city when no records are asked for: each stream says what it must, attacks are planted."""
    directory = tmp_path_factory.mktemp("quiet")
    return directory, simulate(whole_city, records=0, seed=3, directory=directory)
