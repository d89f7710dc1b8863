"""Runs and tables of pruning."""
