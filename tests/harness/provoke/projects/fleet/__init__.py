"""Runs other programs, threads and processes, and looks at the machine."""
