"""The budget panel."""
