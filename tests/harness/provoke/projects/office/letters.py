"""Letters."""

import json
import subprocess
import tomllib
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from string import Template

import yaml


def parsed(text):
    return json.loads(text)


def settings(text):
    return yaml.safe_load(text)


def limits(text):
    return tomllib.loads(text)


def dated(text):
    return datetime.strptime(text, "%Y-%m-%d")


def loaded(path):
    return Path(path).read_text(encoding="utf-8")


def filled(text, **names):
    return Template(text).substitute(names)


def printed(code):
    return subprocess.run(["false", code], check=True)


def counted(text):
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("fork")) as pool:
        return pool.submit(words_in, text).result()


def words_in(text):
    return len(text.split()) / text.count("?")


def chosen(table, name):
    return table[name]
