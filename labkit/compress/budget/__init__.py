"""Which bits, ranks, filters or units a budget buys, layer by layer."""
