"""What a database error means, in the model's own words.

`failures` gives the errors of all drivers one form, `evidence` what a failing statement can still
tell, `naming` the model and fields behind a table and its constraints.
"""

from fieldstone.violations.explanation import explain, explained

__all__ = ["explain", "explained"]
