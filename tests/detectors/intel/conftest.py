"""A folder of indicators for each test."""

from __future__ import annotations

import pytest

from tests.intel_room import Room


@pytest.fixture
def room(tmp_path):
    return Room(tmp_path)
