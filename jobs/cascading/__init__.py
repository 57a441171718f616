"""Cascades: a cheaper model answers first, under thresholds that are proven on a sample."""
