"""How any task runs: Parquet rows through an engine and back. Imports `schemas` only."""
