"""A list in parts: pages by offset and by cursor, and the order that makes them whole.

`ordering` gives every row one place, `joins` makes sure that a join keeps it, `keyset` continues from a
place, `cursors` writes it down for a client, `navigation` links to the neighbours.
"""

from fieldstone.paging.cursors import Cursors
from fieldstone.paging.navigation import link_header, page_links
from fieldstone.paging.pages import KeysetPage, Page

__all__ = ["Cursors", "KeysetPage", "Page", "link_header", "page_links"]
