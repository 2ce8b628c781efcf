"""Playbooks that run: the library of their files, the hosted runs and what is kept of them.

What a run does next is decided in `playbooks`; here it is performed through a kernel's Context.
"""
