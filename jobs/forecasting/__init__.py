"""What a job would take, before anything is spent."""
