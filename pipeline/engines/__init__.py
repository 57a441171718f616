"""Engines: what turns requests into completions, behind one narrow seam (`base`)."""
