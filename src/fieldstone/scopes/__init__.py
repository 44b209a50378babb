"""Which rows of a model a session may touch: said once, and held to in everything that the session does.

`limits` keeps what was said and narrows every statement by it; `guards` refuses writes that would put
a row outside, or point to one there.
"""

from fieldstone.scopes.guards import within
from fieldstone.scopes.limits import Scope, fills_of, is_limited, is_scoped, scope_of

__all__ = ["Scope", "fills_of", "is_limited", "is_scoped", "scope_of", "within"]
