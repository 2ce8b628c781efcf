"""Deep calls, failures inside failures, and the same mistake at several places."""

import abc
import contextlib
import functools
import itertools
import operator
import sys
import weakref


class Failed(Exception):
    """Something in the lab failed."""


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self):
        """Square centimetres."""


class Node:
    def __init__(self, name):
        self.name = name
        self.next = self

    def __repr__(self):
        return f"{self.name} -> {self.next!r}"

    def __eq__(self, other):
        return self.next == other.next

    def __hash__(self):
        return hash(self.name)


def countdown(number):
    return countdown(number - 1) + 1


def depth(tree):
    return 1 + depth(tree["next"])


def ring(name):
    tree = {"name": name}
    tree["next"] = tree
    return depth(tree)


def even(number):
    return odd(number - 1) if number else True


def odd(number):
    return even(number - 1) if number else False


@contextlib.contextmanager
def at_most(depth):
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(depth)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def parity(number, limit):
    with at_most(limit):
        return even(number)


def shown(name):
    return str(Node(name))


def equal(left, right):
    return Node(left) == Node(right)


@functools.cache
def memo(number):
    return memo(number - 1) * number


def factorial(number):
    return memo(number)


def area(name):
    return type(name, (Shape,), {})().area()


def hashed(value):
    return {value: 1}


def dead(name):
    reference = weakref.proxy(Failed(name))
    return reference.args


def picked(name, table):
    return operator.itemgetter(name)(table)


def attribute(name):
    return operator.attrgetter(name)(Node("a"))


def reduced(numbers):
    return functools.reduce(operator.sub, numbers)


def partial(name):
    return functools.partial(countdown, number=1)(name)


def strictly(left, right):
    return list(zip(left, right, strict=True))


def stepped(start):
    return list(itertools.islice(itertools.count(), start, None, 0))


def generated(names):
    def inner():
        for name in names:
            if not name:
                raise StopIteration
            yield name

    return list(inner())


@contextlib.contextmanager
def section(name):
    print(end="")
    try:
        yield name
    finally:
        closing(name)


def closing(name):
    if name.startswith("bad"):
        raise Failed(f"{name} does not close")


def sealing(name):
    if name.startswith("bad"):
        raise Failed(f"{name} does not close")


def in_section(name):
    with section(name):
        return {}[name]


def suppressed(name):
    with contextlib.suppress(KeyError), contextlib.ExitStack() as stack:
        stack.callback(sealing, name)
        stack.callback({}.pop, name)


def not_yielding(name):
    @contextlib.contextmanager
    def empty():
        if name == "x":
            yield

    with empty():
        return name


def three_deep(name):
    try:
        try:
            first(name)
        except KeyError as error:
            raise ValueError(f"{name} has no value") from error
    except ValueError as error:
        raise Failed(f"lab of {name}") from error


def first(name):
    return {}[name]


def while_cleaning(name):
    try:
        first(name)
    finally:
        cleaned(name)


def cleaned(name):
    return name.clean()


def hidden(name):
    try:
        first(name)
    except KeyError:
        raise Failed(f"no {name}") from None


def raised_again(name):
    try:
        second(name)
    except LookupError as error:
        error.add_note(f"while looking for {name}")
        raise


def second(name):
    return [][len(name)]


def many(names):
    found = []
    for name in names:
        try:
            first(name)
        except KeyError as error:
            found.append(error)
    raise ExceptionGroup(f"{len(found)} of {len(names)} failed", found)


def many_kinds(names):
    found = []
    for action in (first, second, cleaned):
        try:
            action(names[0])
        except (LookupError, AttributeError) as error:
            found.append(error)
    raise ExceptionGroup("three kinds", found)


def group_in_group(names):
    try:
        many(names)
    except ExceptionGroup as inner:
        raise ExceptionGroup("outer", [inner, Failed(names[0])]) from None


def split(names):
    try:
        many_kinds(names)
    except* KeyError as found:
        raise Failed(f"{len(found.exceptions)} keys") from found


def group_of_nothing(message):
    raise ExceptionGroup(message, [])
