"""The charts, each a function of plain numbers; texts of rows are data in them, never names or expressions."""
