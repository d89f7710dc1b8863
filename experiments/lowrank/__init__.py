"""Runs and tables of low rank."""
