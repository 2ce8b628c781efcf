"""The kernels of the example shop: a till that counts and a price feed that talks to it."""
