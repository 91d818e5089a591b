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


def kept_out(half, kept):
    last = FOLDS - 1
    if kept == "families":
        return [
            one
            for one in seeds()[half]
            if one.fold == last and one.kind in {"family", "nothing", "signature"}
        ]
    return [one for one in seeds()[half] if one.fold != last and one.kind == "spelling" and one.part == last]


@pytest.mark.parametrize(
    ("half", "kept"), [("threat", "families"), ("threat", "spellings"), ("signature", "families")]
)
def test_what_was_measured_is_of_names_that_it_did_not_learn(half, kept):
    told = FOUND["heads"][half]["measured"][kept]
    names_kept = kept_out(half, kept)
    assert told["kept_out"] == len(names_kept) > 0
    assert sum(sum(row.values()) for row in told["confusion"].values()) == len(names_kept)
    assert told["both"]["told"] >= told["tables"]["told"]


def test_what_the_model_tells_it_tells_right_nine_times_of_ten():
    """The precision that the threshold was set for, on names that no choice went by; a few names more or less."""
    for half, kept in (("threat", "families"), ("threat", "spellings"), ("signature", "families")):
        told = FOUND["heads"][half]["measured"][kept]["model"]
        wrong = told["told"] - told["right"] + told["told_of_nothing"]
        assert told["told"] > 10, (half, kept)
        assert wrong <= 0.15 * (told["told"] + told["told_of_nothing"]), (half, kept)


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


def test_the_same_names_give_the_same_bytes():
    from citysoc.enrich import train

    few = seeds()["signature"][::7]
    first, second = (train.model_of({"signature": few}) for _ in range(2))
    assert orjson.dumps(first, option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        second, option=orjson.OPT_SORT_KEYS
    )
    assert model.read(orjson.dumps(first))["signature"].probabilities("port sweep")


@pytest.mark.faults
def test_the_shipped_model_is_what_training_gives():
    """The figures, not each bit of the weights: sums come out differently on other processors."""
    from citysoc.enrich import train

    made = train.model_of(seeds())
    for half, head in made["heads"].items():
        shipped = FOUND["heads"][half]
        assert (head["measured"], head["threshold"]) == (shipped["measured"], shipped["threshold"])
