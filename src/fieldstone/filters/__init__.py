"""Which rows of a list are wanted, and in which order: one grammar for query strings and for Python."""

from fieldstone.filters.grammar import Grammar
from fieldstone.filters.selection import Filter, Selection, Sort
from fieldstone.filters.typed import typed

__all__ = ["Filter", "Grammar", "Selection", "Sort", "typed"]
