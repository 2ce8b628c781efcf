"""The parts of the tree file's reader, one module a concern; `supervisors.loader` puts them together.

`keys` lists every key of the format, `fields` reads typed values, `children` and `branches` build the specs,
`dependencies` orders them, `runtime` adds the built-in actors. They read nodes, never files.
Invariant: no module here raises for what a file says; each mistake becomes one FileFault with its place.
"""
