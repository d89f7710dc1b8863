"""The clip panel."""
