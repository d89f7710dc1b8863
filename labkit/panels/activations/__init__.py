"""The activations panel."""
