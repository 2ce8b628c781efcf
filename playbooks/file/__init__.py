"""The parts of the playbook file's reader, one module a concern; `playbooks.loader` puts them together.

`keys` lists every key of the format and what it takes, `sections` reads by that list, `expressions` compiles what
stands in the values, `blocks` and `build` make the specs, `schema` writes the list as JSON Schema. They read nodes,
never files. Invariant: no module here raises for what a file says; each mistake becomes one FileFault with its place.
"""
