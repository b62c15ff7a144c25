"""What a model says to rows that fit the schema, but not the model."""


class RowsRefusedError(ValueError):
    """The model has no prediction for these rows, such as for a category that it does not know; says why."""
