"""Decides how a failure is repaired: playbooks, their engine, and which runs may start.

`loader` reads playbook files, `engine` runs one, `policy` says when, `matching` says why. Pure, apart from the loader.
Invariant: no module here knows a concrete action; actions come in as declarations (`playbooks.spec.ActionSpec`).
"""
