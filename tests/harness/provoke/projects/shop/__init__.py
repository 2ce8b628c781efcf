"""Sells things: orders, prices, customers, delivery days, labels."""
