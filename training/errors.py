"""What ends a job with a message instead of a traceback."""


class TrainingError(Exception):
    """The job cannot do what was asked; the message names the thing, the place and the next step."""


class UsageError(TrainingError):
    """The command line asks for something that the recipe does not have."""
