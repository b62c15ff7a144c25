"""What is learnt: one folder per recipe, and the `Recipe` dataclass."""
