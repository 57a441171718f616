"""Runs held against each other: rows that flipped, columns that shifted, and whether that is usual."""
