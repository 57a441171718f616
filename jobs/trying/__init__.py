"""Models and prompts tried side by side."""
