"""A report about runs, for people: read from their output folders, drawn, and written as one page."""
