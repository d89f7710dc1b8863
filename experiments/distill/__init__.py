"""Runs and tables of distillation."""
