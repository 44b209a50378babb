"""From one URL to transactions on either face.

`urls`, `libpq` and `tls` read the URL, `settings` the environment; `engines`, `sqlite` and `retry` make
connections behave alike; `database` opens and ends transactions.
"""

from fieldstone.database.database import Database
from fieldstone.database.settings import Settings
from fieldstone.database.urls import DatabaseUrl

__all__ = ["Database", "DatabaseUrl", "Settings"]
