"""The panel of training with rounding."""
