"""Everything that can be broken on purpose: the table of it, and one module for each family of faults.

The modules hold the functions that drill cards name. They must not know how a fault is carried out. Invariant: every
fault of the table has its function, with exactly its parameters.
"""
