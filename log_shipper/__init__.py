"""The process beside the replicas that moves closed segments of the request log to storage, as Parquet.

Law: each record is readable at any time, as a line of a segment or as a row in storage, and counts once. A segment
is deleted only when all of it is stored; what is stored is named after the segment alone, so that a segment whose
shipping was interrupted anywhere is simply shipped again, over what is there.
"""
