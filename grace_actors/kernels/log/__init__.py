"""Parts of the immutable log kernel: the audit record and the sliced passes over the chain."""
