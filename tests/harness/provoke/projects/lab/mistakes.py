"""Mistakes of one line, some of them the same at two places."""

from lab.depths import Failed, first


def asserted(value):
    assert value < 0, f"{value} is not below zero"


def asserted_bare(value):
    assert not value


def left(name):
    raise Failed("nothing to do")


def right(name):
    raise Failed("nothing to do")


def up(table, name):
    return table[name]


def down(table, name):
    return table[name]


def walked(table, steps):
    for step in steps:
        table = {"up": up, "down": down}[step](table, step * 2)
    return table


def local(flag):
    if flag is None:
        found = 1
    return found


def global_name(flag):
    return undefined_name if flag else None  # noqa: F821


def free(flag):
    def inner():
        return later + flag

    found = inner()
    later = 1
    return found + later


def deleted(value):
    found = value
    del found
    return found  # noqa: F821


def called(value):
    return value()


def keywords(**given):
    return first(**given)


def doubled(given):
    return first(name=1, **given)


def huge(number):
    return [0] * (number * 10**13)


def long_number(count):
    return int("9" * (count + 5000))


def formatted(value):
    return f"{value:>10.2f}"


def character(number):
    return chr(number * 10**6)


def sliced(value):
    memoryview(b"read only")[0] = value


def sized(value):
    return bytes([value])


def shifted(number):
    return 1 << -number


def joined(values):
    return b"".join(values)


def translated(text):
    return text.translate(str.maketrans("abc", "de"))


def sorted_by(items, name):
    return sorted(items, key=lambda item: item[name])


def ended(code):
    raise SystemExit(code)


def not_an_error(value):
    raise value
