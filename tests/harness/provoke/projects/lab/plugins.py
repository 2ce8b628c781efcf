"""Plugins: modules written by others, imported by name."""

import builtins
import importlib
import importlib.metadata
import importlib.resources
import sys
from pathlib import Path


class PluginFailed(Exception):
    """A plugin cannot be used."""


def written(name, source):
    """A module of this name in the folder of the plugins."""
    folder = Path(__file__).parent.parent / "plugins"
    folder.mkdir(exist_ok=True)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    (folder / f"{name}.py").write_bytes(source.encode() if isinstance(source, str) else source)
    importlib.invalidate_caches()
    return name


def load(name):
    return importlib.import_module(name)


def plugin(name, source):
    return load(written(name, source))


def called(name, source):
    return plugin(name, source).start({"name": name})


def plugin_or_told(name, source):
    try:
        return plugin(name, source)
    except SyntaxError as error:
        raise PluginFailed(f"{name} is no plugin: line {error.lineno}") from error


def first_of(names):
    for name in names:
        try:
            return load(name)
        except ImportError:
            continue
    return fallback(names)


def fallback(names):
    return {name: sys.modules[name] for name in names}


def optional(name):
    try:
        return load(name)
    except ImportError:
        return own(name)


def own(name):
    return importlib.import_module(f"lab.{name}")


def relative(name):
    return importlib.import_module(name)


def part_of(name):
    return builtins.__import__("lab.depths", fromlist=[name]).__getattribute__(name)


def version(name):
    return importlib.metadata.version(name)


def resource(name):
    return importlib.resources.files("lab").joinpath(name).read_text()


def evaluated(text, **names):
    return eval(text, {}, names)


def executed(text):
    exec(compile(text, "<formula>", "exec"), {})


def compiled(text):
    return compile(text, "<rule>", "eval")


def instance(name, *arguments):
    return type(name, (Base,), {})(*arguments)


def class_of(name, bases):
    return type(name, bases, {})


class Base:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __getattr__(self, name):
        return getattr(self.value, name)


def delegated(value, name):
    return getattr(instance("Plugin", value), name)()


def slotted(value, name):
    setattr(Base(value), name, value)
