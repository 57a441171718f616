"""Whether answers change with who a text is about."""
