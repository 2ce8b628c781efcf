"""Drills: faults performed on purpose and taken back, and what hosts the drill core."""
