"""What makes the signature of a failure with a traceback, and what does not."""

from __future__ import annotations

import asyncio
import re

import pytest

from playbooks.recognition import ALGO, Failure, FailureKind, Hash, signature_of
from tests.unit.recognition.texts import CAUSE, CONTEXT, real, signed, values, written

LIBRARY = "/usr/lib/python3.11/json/decoder.py"
PACKAGE = "/opt/venv/lib/python3.11/site-packages/requests/adapters.py"
CALLS = (("worker.py", "serve"), ("shop/cart.py", "total"))
BASE = written("ValueError: bad count 3", *CALLS)


def test_a_signature_has_version_readable_id_and_three_different_hashes() -> None:
    found = signed(BASE)
    assert found.algo == ALGO
    assert found.id == f"shop_ValueError_{found.specific[:8]}"
    assert len(set(found.hashes)) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}", value) for value in found.hashes)


def test_the_same_failure_elsewhere_later_and_with_other_values_has_the_same_hashes() -> None:
    other = written("ValueError: bad count 77", *CALLS, root="/home/ada/shop-main", first_line=99)
    assert signed(other).hashes == signed(BASE).hashes


@pytest.mark.parametrize(
    "other",
    [
        written("TypeError: bad count 3", *CALLS),
        written("ValueError: bad count 3", CALLS[0], ("shop/cart.py", "average")),
        written("ValueError: bad count 3", CALLS[0], ("shop/stock.py", "total")),
        written("ValueError: bad count 3", CALLS[0], ("blog/cart.py", "total")),
        written("ValueError: bad count 3", CALLS[1]),
    ],
)
def test_another_type_function_module_package_or_path_is_another_failure(other: str) -> None:
    assert signed(other).specific != signed(BASE).specific
    assert signed(other).full != signed(BASE).full


def test_another_kernel_has_another_specific_and_full_hash_and_the_same_broad_one() -> None:
    one, other = signed(BASE), signed(BASE, kernel="blog")
    assert one.broad == other.broad
    assert {one.specific, one.full}.isdisjoint({other.specific, other.full})


def test_library_calls_are_in_the_full_hash_alone() -> None:
    one = signed(written("ValueError: x", *CALLS, (LIBRARY, "decode")))
    other = signed(written("ValueError: x", *CALLS, (PACKAGE, "send")))
    assert one.specific == other.specific
    assert one.full != other.full
    assert values(one, "call") == ["worker:serve", "shop.cart:total"]


@pytest.mark.parametrize(
    "path",
    [
        "/usr/lib/python3.12/json/decoder.py",
        "/home/ada/.pyenv/versions/3.12.1/lib/python3.12/json/decoder.py",
        r"C:\Python311\Lib\json\decoder.py",
        "/usr/lib64/python3.13t/json/decoder.py",
        "/srv/bundle/python311.zip/json/decoder.py",
    ],
)
def test_library_code_has_the_same_name_on_every_machine(path: str) -> None:
    assert signed(written("ValueError", *CALLS).replace("ValueError\n", "")).full  # the text ends early, and is read
    text = written("ValueError: x", *CALLS, (LIBRARY, "decode"))
    assert signed(text.replace(LIBRARY, path)).full == signed(text).full


def test_checkouts_in_directories_that_cannot_be_packages_have_the_same_names() -> None:
    roots = ("/srv/app", "/builds/nightly-47@2/src", "/opt/releases/20260214T101533Z", "/x/tmpab12cd_9")
    assert len({signed(written("ValueError: x", CALLS[1], root=root)).specific for root in roots}) == 1
    assert len({signed(written("ValueError: x", *CALLS, root=root)).specific for root in roots}) == 1


@pytest.mark.parametrize("drawn", ["nightly-47@2", "tmpab12cd_9", "0a1b2c3d4e"])
def test_a_directory_that_cannot_be_a_package_ends_the_name_of_a_module(drawn: str) -> None:
    found = signed(written("ValueError: x", ("/srv/main.py", "run"), (f"/srv/{drawn}/plug/mine.py", "act")))
    assert values(found, "call") == ["main:run", "plug.mine:act"]


def test_projects_in_different_places_each_have_a_root() -> None:
    one = written("ValueError: x", ("/srv/app/worker.py", "serve"), ("/home/ada/plug/mine.py", "act"))
    other = written("ValueError: x", ("/opt/it/worker.py", "serve"), ("/tmp/plugins/mine.py", "act"))
    assert signed(one).specific == signed(other).specific


def test_kernels_of_grace_are_project_code_and_what_carries_messages_is_not() -> None:
    for root in ("/srv/grace", "/opt/venv/lib/python3.11/site-packages"):
        calls = ("actor", "receiveMessage"), ("kernel_actor", "_fire"), ("transport/run_loop", "run")
        plumbing = [(f"{root}/grace_actors/{file}.py", function) for file, function in calls]
        kernel = (f"{root}/grace_actors/kernels/librarian.py", "do_search")
        found = signed(written("KeyError: 'x'", *plumbing, kernel))
        assert values(found, "call") == ["grace_actors.kernels.librarian:do_search"]


def test_the_message_a_kernel_was_handling_does_not_count() -> None:
    found = signed(BASE.rstrip("\n") + "\nwhile handling: Ask(verb='total', args={'id': 7})")
    assert found.hashes == signed(BASE).hashes


def test_the_first_failure_in_project_code_leads() -> None:
    inner = written("KeyError: 'x'", ("shop/cart.py", "total"), ("shop/stock.py", "price"))
    outer = written("shop.errors.NoPrice: x", ("worker.py", "serve"), ("shop/cart.py", "total"))
    for join in (CAUSE, CONTEXT):
        found = signed(inner + join + outer)
        assert found.error == "KeyError"
        assert values(found, "call") == ["worker:serve", "shop.cart:total", "shop.stock:price"]


def test_what_a_handler_did_later_is_not_on_the_way_to_what_it_handled() -> None:
    inner = written("KeyError: 'x'", ("shop/cart.py", "total"), ("shop/stock.py", "price"))
    outer = written("OSError: x", ("worker.py", "serve"), ("shop/cart.py", "total"), ("shop/log.py", "complain"))
    assert values(signed(inner + CONTEXT + outer), "call") == ["worker:serve", "shop.cart:total", "shop.stock:price"]


def test_cancelled_members_of_a_group_do_not_count() -> None:
    def raised(error: BaseException) -> BaseException:
        try:
            raise error
        except BaseException as caught:
            return caught

    def act(*errors: BaseException) -> str:
        def group() -> None:
            raise BaseExceptionGroup("g", [raised(error) for error in errors])

        return real(group)

    alone = signed(act(ValueError("v")))
    assert signed(act(asyncio.CancelledError(), ValueError("v"))).specific == alone.specific


def test_a_group_of_cancelled_tasks_alone_has_a_signature() -> None:
    def act() -> None:
        raise BaseExceptionGroup("g", [asyncio.CancelledError()])

    assert signed(real(act)).error == "CancelledError"


def test_a_cause_in_library_code_does_not_lead() -> None:
    inner = written("socket.gaierror: [Errno -2] x", ("/usr/lib/python3.11/socket.py", "connect"))
    outer = written("requests.ConnectionError: x", ("worker.py", "serve"), (PACKAGE, "send"))
    assert signed(inner + CAUSE + outer).error == "ConnectionError"


def test_how_often_a_recursion_went_round_does_not_count() -> None:
    def text(times: int, *more: tuple[str, str]) -> str:
        return written("RecursionError: maximum", ("worker.py", "serve"), *[("tree.py", "walk")] * times, *more)

    assert signed(text(3)).specific == signed(text(900)).specific
    assert signed(text(9)).specific == signed(text(900, ("tree.py", "size"))).specific
    assert signed(text(9)).specific != signed(text(9).replace("walk", "climb")).specific


def test_comprehensions_have_frames_in_python_3_11_only_and_do_not_count() -> None:
    with_frame = written("ValueError: x", *CALLS, ("shop/cart.py", "<listcomp>"))
    assert signed(with_frame).hashes == signed(written("ValueError: x", *CALLS)).hashes


def test_members_of_a_group_count_as_a_set() -> None:
    async def fail(error: Exception) -> None:
        raise error

    async def other(error: Exception) -> None:
        await fail(error)

    def text(*calls: object) -> str:
        async def run() -> None:
            async with asyncio.TaskGroup() as group:
                for make in calls:
                    group.create_task(make())  # type: ignore[operator]

        return real(lambda: asyncio.run(run()))

    def key() -> object:
        return fail(KeyError("k"))

    def value() -> object:
        return other(ValueError("v 1"))

    both = signed(text(key, value))
    assert both.specific == signed(text(value, key)).specific == signed(text(value, key, value)).specific
    assert both.specific != signed(text(key)).specific
    assert both.error == "KeyError"


def test_without_project_code_type_message_and_library_calls_count() -> None:
    def text(message: str, function: str = "decode") -> str:
        return written(message, (LIBRARY, function))

    base = signed(text("ValueError: bad value at 3"))
    assert base.specific == signed(text("ValueError: bad value at 99")).specific
    for other in (text("ValueError: worse value at 3"), text("ValueError: bad value at 3", "scan")):
        assert signed(other).specific != base.specific
    assert signed(text("ValueError: bad value at 3", "scan")).broad == base.broad
    one, other = (signed(text(f"ValueError: bad value: {word}")) for word in ("apple", "river"))
    assert one.specific != other.specific
    assert one.full != other.full


def test_fixed_words_tell_failures_in_one_function_apart_and_values_in_own_words_do_not() -> None:
    def text(message: str, source: str) -> str:
        return written(message, *CALLS).replace("call_total(at)", source)

    add = 'TypeError: can only concatenate str (not "int") to str', "TypeError: 'NoneType' object is not callable"
    assert len({signed(text(message, "a + b()")).specific for message in add}) == 2
    raised = "ValueError: apple stands twice", "ValueError: river stands twice"
    assert len({signed(text(message, "raise ValueError(name)")).specific for message in raised}) == 1
    assert len({signed(text(raised[0], f"raise ValueError({name})")).specific for name in "ab"}) == 2


def test_an_os_error_without_a_class_of_its_own_is_told_apart_by_its_number() -> None:
    full, read_only = (written(f"OSError: [Errno {n}] x", *CALLS) for n in (28, 30))
    assert signed(full).specific != signed(read_only).specific
    assert signed(full).broad != signed(read_only).broad


def test_of_a_log_the_last_traceback_counts() -> None:
    old = written("KeyError: 'x'", ("old.py", "f"))
    assert signed(old + "2026 INFO again\n" + BASE).hashes == signed(BASE).hashes


def test_every_component_says_why_it_is_or_is_not_in_a_hash() -> None:
    found = signed(written("ValueError: x", *CALLS, (LIBRARY, "decode")))
    assert all(component.hint for component in found.components)
    parts = {(c.name, c.value): c.into for c in found.components}
    assert parts["call", "json.decoder:decode"] == (Hash.FULL,)
    assert parts["kind", "crash"] == ()
    assert {c.contributes for c in found.components} == {True, False}


def test_no_line_number_goes_in_and_the_signature_is_plain_data() -> None:
    data = signed(written("ValueError: x", *CALLS, first_line=987654)).as_dict()
    assert "987654" not in str(data)
    assert set(data) == {"algo", "id", "kernel", "kind", "error", "specific", "broad", "full", "components"}


def test_the_kind_does_not_count_when_there_is_a_traceback() -> None:
    crash, failed = (
        signature_of(Failure(kernel="shop", kind=kind, detail=BASE))
        for kind in (FailureKind.CRASH, FailureKind.START_FAILED)
    )
    assert crash.hashes == failed.hashes


def test_odd_names_leave_a_readable_id() -> None:
    found = signature_of(Failure(kernel="a b/c", detail=BASE.replace("ValueError", "Not a word")))
    assert re.fullmatch(r"a-b-c_Not-a-word_[0-9a-f]{8}", found.id)
    assert signature_of(Failure(kernel="k", detail=BASE[: BASE.index("ValueError")])).error == "unknown"
