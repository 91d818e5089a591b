"""The Vietnamese catalogue holds every message of the code, whole, and its compiled form is the same."""

from __future__ import annotations

import ast
import gettext
import string
import unicodedata

import pytest

from citysoc import i18n
from tests import catalogues

CATALOGUE = catalogues.translations()
MESSAGES = [message for message in CATALOGUE if message.id]


def placeholders(text: str) -> list[tuple[str, str]]:
    return sorted((name, how or "") for _, name, _, how in string.Formatter().parse(text) if name is not None)


def called(tree: ast.AST) -> set[str]:
    """Return the texts that are given to ``_``, ``mark`` and ``ngettext``, as Python itself reads them."""
    names = {"_", "mark", "ngettext"}
    return {
        argument.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }


def test_every_message_of_the_code_is_in_the_catalogue_and_nothing_else():
    known = {message.id for message in MESSAGES}
    in_the_code = catalogues.in_the_code()
    assert in_the_code - known == set(), "run `make catalogues`"
    assert known - in_the_code == set(), "run `make catalogues`"
    assert not CATALOGUE.obsolete


def test_no_message_hides_where_the_extractor_does_not_look():
    """An f-string around ``_("…")`` would hide the message from it."""
    read = {form for text in catalogues.in_the_code() for form in catalogues.forms(text)}
    hidden = {
        str(path): lacking
        for path in sorted((catalogues.ROOT / "citysoc").rglob("*.py"))
        if (lacking := called(ast.parse(path.read_text(encoding="utf-8"))) - read)
    }
    assert hidden == {}


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: catalogues.forms(message.id)[0][:40])
def test_a_translation_is_whole(message):
    (said,) = catalogues.forms(message.string)  # Vietnamese has one form
    assert said, "no translation"
    assert not message.fuzzy
    for form in catalogues.forms(message.id):
        assert placeholders(said) == placeholders(form)
    assert unicodedata.is_normalized("NFC", said)
    assert said == said.strip()


def test_the_compiled_catalogue_is_that_of_the_text():
    with catalogues.MO.open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message in MESSAGES:
        ids = catalogues.forms(message.id)
        said = compiled.gettext(*ids) if len(ids) == 1 else compiled.ngettext(*ids, 2)
        assert catalogues.forms(message.string) == (said,)
    assert catalogues.MO.read_bytes() == catalogues.as_mo(CATALOGUE), "run `make catalogues`"


def test_the_catalogue_changes_only_with_its_messages():
    again = catalogues.renewed(CATALOGUE, catalogues.in_the_code())
    assert catalogues.PO.read_bytes() == catalogues.as_po(again), "run `make catalogues`"


def test_the_head_names_nobody_and_no_day():
    head = catalogues.PO.read_text(encoding="utf-8").split("\n\n", 1)[0]
    assert "@" not in head
    assert "Date" not in head
    assert "Translator" not in head


def test_messages_are_said_in_the_language_in_force():
    assert i18n.gettext("Nothing found.") == "Nothing found."
    with i18n.speaking("vi"):
        assert i18n.gettext("Nothing found.") == "Không tìm thấy gì."
        assert i18n.gettext("no message of ours") == "no message of ours"
