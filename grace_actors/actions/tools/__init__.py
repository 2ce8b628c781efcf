"""Commands that actions run beside the mailbox: each reads an order as JSON and prints its answer as JSON."""
