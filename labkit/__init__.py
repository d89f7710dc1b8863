"""Helpers behind the notebooks of the neural-network compression lab."""
