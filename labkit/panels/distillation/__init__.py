"""The distillation panel."""
