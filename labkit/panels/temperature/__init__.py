"""The temperature panel."""
