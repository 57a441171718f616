"""Programs that try to break the promises: kills, damaged input, disks that are full. `make torture` runs them all."""
