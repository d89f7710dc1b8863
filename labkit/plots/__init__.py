"""Pictures: functions that draw a result on a matplotlib Figure, without pyplot."""
