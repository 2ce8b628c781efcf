"""Measures Grace beside the floor of the machine, in one run: `python -m benchmarks NAME --json`."""
