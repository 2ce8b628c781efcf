"""Letters and bills: two modules that do the same, each in its own way."""
