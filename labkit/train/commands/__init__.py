"""What `python -m labkit` starts: train, and put in place."""
