"""The model of names: what it is asked, when it is believed, what is in its file, and how it is made."""

from __future__ import annotations

import subprocess
import sys

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.enrich import model, names
from citysoc.enrich.seeds import FOLDS, digest, seeds
from citysoc.enrich.taxonomy import CLASSES
from citysoc.enrich.verdicts import MODEL_MOST

FOUND = orjson.loads(model.FILE.read_bytes())


def test_the_shipped_model_is_of_the_names_beside_it():
    assert FOUND["names_digest"] == digest(seeds()), "run make model"
    assert FOUND["version"].endswith(FOUND["digest"][:8])


def test_no_group_of_names_is_both_learned_and_kept_out():
    for own in seeds().values():
        folds = {}
        for seed in own:
            assert folds.setdefault(seed.group, seed.fold) == seed.fold
        assert set(folds.values()) == set(range(FOLDS))
        assert {seed.code for seed in own} <= {"", *CLASSES}


@pytest.mark.parametrize("half", ["threat", "signature"])
def test_what_was_measured_is_of_names_that_it_did_not_learn(half):
    told = FOUND["heads"][half]["measured"]
    kept = [seed for seed in seeds()[half] if seed.fold == FOLDS - 1 and seed.kind != "composed"]
    assert told["kept_out"] == len(kept)
    assert sum(sum(row.values()) for row in told["confusion"].values()) == len(kept)
    assert told["both"]["told"] >= told["tables"]["told"]


def test_a_guess_is_named_as_one_and_never_very_sure():
    found = names.malware("W32.CryptoLockerX")
    assert found.code == "RANSOM"
    guess = model.judge("threat", "Win32/CookieSnatchLog.A")
    told = names.malware("Win32/CookieSnatchLog.A")
    if guess:
        assert told.reason == f"model:{guess.version} {guess.code} {guess.probability:.2f}"
        assert told.confidence <= MODEL_MOST
    believed = [model.judge("threat", seed.text) for seed in seeds()["threat"][:600]]
    assert any(believed)
    least = FOUND["heads"]["threat"]["threshold"]
    assert all(one.probability >= least and one.confidence <= MODEL_MOST for one in believed if one)


@pytest.mark.parametrize(
    "name",
    ["W32.AIDetectMalware", "W64.AIDetectMalware", "HW32.Packed", "Mal/Generic-S", "Gen:Variant.Razy.7", "", "12345"],
)  # fmt: skip
def test_the_model_invents_nothing_for_names_that_say_nothing(name):
    assert model.judge("threat", name) is None
    assert names.malware(name).code is None


def test_tables_go_before_the_model():
    assert names.malware("Win32/Sality.A").reason == "family:sality"
    assert names.signature("ET INFO mining pool login over JSON RPC") is None


@given(st.text(max_size=300))
def test_any_text_has_probabilities(text):
    for head in model.heads().values():
        chances = head.probabilities(text)
        assert sum(chances) == pytest.approx(1.0)
        assert len(chances) == len(head.classes)


def test_reading_the_model_takes_no_scikit_learn():
    script = (
        "import sys; from citysoc.enrich import model, names; names.malware('Win32/Quilmara.A');"
        "assert model.heads(); assert not any(name.startswith('sklearn') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.faults
def test_the_same_names_give_the_same_model(tmp_path, monkeypatch):
    from citysoc.enrich import train

    monkeypatch.setattr(train, "FILE", tmp_path / "model.json")
    train.main()
    made = orjson.loads((tmp_path / "model.json").read_bytes())
    assert made["heads"]["signature"]["measured"] == FOUND["heads"]["signature"]["measured"]
    again = model.read((tmp_path / "model.json").read_bytes())
    assert again.keys() == model.heads().keys()
