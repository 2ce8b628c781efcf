"""Faults that an actor carries out on itself: on its messages, its clock, and what its process may have.

Each lasts in this incarnation only and ends by itself. Invariant: an actor that has none of them pays one test of an
attribute for each message.
"""
