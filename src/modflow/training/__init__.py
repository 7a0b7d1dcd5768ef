"""Training networks: iterates, what is measured of them, checkpoints, grids."""
