"""Who changed what, recorded in the transaction of the change itself.

`audits` says which models and what of them, `actors` who; `flushes` and `statements` see what is
written, `stored` what the database does by itself; `journal` turns it into `entries`, and
`timelines` reads them. Importing this room is what makes sessions look.
"""

from fieldstone.history import flushes, statements
from fieldstone.history.actors import Actor, acting, current_actor
from fieldstone.history.audits import Audited, Masked, audited, history_of
from fieldstone.history.entries import Change, HistoryEntry, HistoryRead, history_table
from fieldstone.history.timelines import timeline

__all__ = [
    "Actor",
    "Audited",
    "Change",
    "HistoryEntry",
    "HistoryRead",
    "Masked",
    "acting",
    "audited",
    "current_actor",
    "flushes",
    "history_of",
    "history_table",
    "statements",
    "timeline",
]
