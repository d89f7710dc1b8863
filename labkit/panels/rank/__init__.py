"""The rank panel."""
