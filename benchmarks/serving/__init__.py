"""How fast the scoring service is beside its peers: `python -m benchmarks.serving`.

Every server answers the same row with the same model, pinned to one core, while wrk asks on the other. Slices of one
second are interleaved in rounds, so that noise hits all of them alike; what counts are medians, and ratios within a
round.

`peers` says what is compared, `ours` makes images of a trained model, `material` what peers load and are asked,
`server` runs one of them, `load` asks, `measure` orders it all, `results` keeps it, `table` tells it.
"""
