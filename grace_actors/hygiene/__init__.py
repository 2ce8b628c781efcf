"""Snapshot hygiene: validated copies of everything an instance needs, taken by themselves, kept few, and put back
when asked.

`plan` decides and is pure; `sources` knows what there is and how each kind of file is checked; `taking`, `restoring`
and `good_copies` work on files, in a command of their own (`__main__`); `keeper` is the part that
infrastructure_manager hosts. Invariant: what is damaged at its source never replaces a good older copy, and a damaged
copy is never put back.
"""
