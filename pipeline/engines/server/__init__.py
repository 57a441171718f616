"""What the server engine is made of: how to ask (`protocol`), whom (`endpoints`), how many at once, and once more."""
