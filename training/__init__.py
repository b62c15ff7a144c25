"""The job that runs on the compute: `python -m training …`.

It knows recipes and nothing else of ours. `training.outputs` names the files that it leaves behind.
"""
