"""Which actors start lean, and which the way Thespian starts them."""

from __future__ import annotations

import pytest
from thespian.actors import Actor as ThespianActor

from grace_actors.registry import Registry
from grace_actors.transport.forking import lean_class


class Plain(ThespianActor):
    """No class of ours, though its module has imported ours."""


class Ours(Registry):
    """Of our family by inheritance, from outside our packages."""


def path_of(found: type) -> str:
    return f"{found.__module__}.{found.__name__}"


@pytest.mark.parametrize("found", [Registry, Ours])
def test_a_class_of_our_own_family_starts_lean(found: type) -> None:
    assert lean_class(path_of(found), None) is found


def test_any_other_actor_starts_the_way_thespian_starts_it() -> None:
    assert lean_class(path_of(Plain), None) is None


def test_a_class_from_loaded_source_is_never_looked_up_here() -> None:
    assert lean_class(path_of(Registry), "source hash") is None


@pytest.mark.parametrize("name", ["no.such.module.Actor", f"{__name__}.Missing", f"{__name__}.path_of", "Bare"])
def test_a_name_that_is_no_class_is_left_to_thespian_to_refuse(name: str) -> None:
    assert lean_class(name, None) is None
