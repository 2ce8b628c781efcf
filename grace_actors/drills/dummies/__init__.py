"""Kernels for drills: made to be broken, and to show what came of it.

They are started by name while a drill needs them and are no part of the tree otherwise.
"""
