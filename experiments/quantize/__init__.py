"""Runs and tables of quantization and its repairs."""
