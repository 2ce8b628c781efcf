"""Provokes real faults in small projects and keeps their tracebacks: the corpus on which failures are grouped.

Nothing here writes or edits a traceback, except that the prefixes of this machine's directories become neutral ones.
Invariant: one fault is one mistake at one place; its variants are the same mistake, run again from another copy.
"""
