"""Where the answer to a row came from."""
