"""The quantization panel."""
