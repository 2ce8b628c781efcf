"""Thespian's own functional tests, as shipped in its wheel, run against the base on Unix sockets."""
