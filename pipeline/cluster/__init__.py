"""The flow on more than this process: worker processes of this machine, and Beam's runners for clusters."""
