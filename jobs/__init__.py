"""What can be run: the tasks, their configuration, the command line. Imports `pipeline` and `schemas`."""

import logging

# Beam logs a warning on import, before a run has its log file; without a handler it would be printed.
logging.getLogger().addHandler(logging.NullHandler())
