"""One module per flow: the order of steps and the end states, nothing else."""
