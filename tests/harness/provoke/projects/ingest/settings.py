"""Settings in YAML, TOML and INI files."""

import configparser
import tomllib
from ast import literal_eval
from pathlib import Path
from string import Template

import yaml


class SettingsFailed(Exception):
    """No usable settings."""


class Unique(yaml.SafeLoader):
    """Refuses a key that stands twice."""

    def construct_mapping(self, node, deep=False):
        names = [key.value for key, _ in node.value]
        double = [name for name in names if names.count(name) > 1]
        if double:
            raise SettingsFailed(f"{double[0]} stands twice")
        return super().construct_mapping(node, deep)


def from_yaml(text):
    return yaml.safe_load(text)


def port(text):
    server = from_yaml(text)["server"]
    number = server["port"]
    return number + 1


def from_yaml_file(path):
    with Path(path).open(encoding="utf-8") as file:
        return yaml.safe_load(file)


def unique(text):
    return yaml.load(text, Loader=Unique)


def all_documents(text):
    return [document["name"] for document in yaml.safe_load_all(text)]


def to_yaml(value):
    return yaml.safe_dump({"value": value})


def from_toml(text):
    return tomllib.loads(text)


def from_toml_file(path):
    with Path(path).open(encoding="utf-8") as file:
        return tomllib.load(file)


def tool_of(text, name):
    return from_toml(text)["tool"][name]


def parser(text):
    settings = configparser.ConfigParser()
    settings.read_string(text)
    return settings


def sections(text):
    return parser(text).sections()


def host_of(text, section):
    return parser(text).get(section, "host")


def limit_of(text):
    return parser(text).getint("server", "limit")


def is_on(text):
    return parser(text)["server"].getboolean("on")


def path_of(text):
    return parser(text)["server"]["path"]


def loaded(path):
    try:
        return from_yaml_file(path)
    except (OSError, yaml.YAMLError) as error:
        raise SettingsFailed(f"cannot use {path}") from error


def literal(text):
    return literal_eval(text)


def filled(text, **values):
    return Template(text).substitute(values)


def merged(base, changes):
    return {key: merged(base[key], value) if isinstance(value, dict) else value for key, value in changes.items()}


def depth_of(settings):
    return 1 + max(depth_of(value) for value in settings.values())
