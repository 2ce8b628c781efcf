"""Finds the action of a project and calls it."""

from importlib import import_module


def find(project, action):
    module, name = action.split(".")
    return getattr(import_module(f"{project}.{module}"), name)


def handle(project, action, payload):
    return find(project, action)(**payload)
