"""The job that runs on the compute: `python -m training …`."""
