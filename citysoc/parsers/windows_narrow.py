"""Windows records of which only a part is kept: what somebody asks for, their time and what tells their kind.

A third of a record's values is asked for by rules. What is let go at once makes room for the next record where memory
is near, which is worth more than what it saves in making rows. Nothing is let go before it is known of every kind of
record with the same names what is asked of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.parsers.windows_kinds import Kind
from citysoc.parsers.windows_shapes import Narrow, Recipe

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from citysoc.parsers.windows_shapes import Shape

_WORTH = 0.8
"""Where more of the values are asked for, all are kept."""
_MAX_KINDS = 32
"""Of records with the same names; where there are more of them, all values are kept."""


def keep(recipe: Recipe, names: Collection[str]) -> None:
    """Say which fields of the events of a recipe are asked for, beside those that were before."""
    if recipe.shape is None:
        return
    shape, kind = recipe.shape
    known = shape.asked.get(kind)
    if known is None or not known.issuperset(names):
        shape.asked[kind] = frozenset(names).union(known or ())
    elif shape.narrow is not None:
        return
    shape.narrow = _narrow(shape)


def _narrow(shape: Shape) -> Narrow | None:
    made_of = {kind: recipe for kind, recipe in shape.recipes.items() if recipe is not None}
    if len(made_of) > _MAX_KINDS or not shape.asked.keys() >= made_of.keys():
        return None
    kinds = {kind: Kind(recipe) for kind, recipe in made_of.items()}
    every = max((len(one.recipe.targets) for one in kinds.values()), default=0)
    wanted = {place for kind, one in kinds.items() for place in one.places(shape.asked[kind])}
    wanted.update(place for one in kinds.values() for place, _zone in one.times)
    places = sorted(wanted.union(shape.telling))
    if len(places) > _WORTH * every:
        return None
    pick, telling = shape.narrowed(places)
    made = {kind: _reduced(one, places, shape.asked[kind]) for kind, one in kinds.items()}
    return Narrow(pick, telling, {**dict.fromkeys(shape.recipes), **made})


def _reduced(kind: Kind, places: Sequence[int], asked: Collection[str]) -> Recipe:
    """Return the recipe of a kind for the values at some places."""
    whole = kind.recipe
    recipe = Recipe([whole.targets[place] for place in places])
    recipe.shape = whole.shape
    recipe.dropped = kind.names.difference(asked)
    recipe.system = whole.system
    recipe.times = [(places.index(place), zone) for place, zone in whole.times]
    recipe.read = [read for read in whole.read if read[0] in recipe.targets]
    recipe.copies = [
        (places.index(place), name, copy, form) for place, name, copy, form in whole.copies if place in places
    ]
    recipe.same = whole.same
    recipe.lists = whole.lists
    recipe.paths = [(path, name) for path, name in whole.paths if path in recipe.targets]
    return recipe
