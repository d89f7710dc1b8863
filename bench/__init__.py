"""How fast the lab answers on this machine: `make bench`."""
