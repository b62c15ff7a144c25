"""Progression of diabetes one year on, from ten standardised measurements of a patient."""

from recipes.diabetes.recipe import recipe

__all__ = ["recipe"]
