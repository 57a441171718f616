"""Plain text, before and after a model has seen it: what must survive, and how to cut what is too long."""
