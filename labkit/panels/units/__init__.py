"""The panel of removed units."""
