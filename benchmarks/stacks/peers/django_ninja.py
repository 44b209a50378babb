"""django-ninja, as its pages "CRUD example", "Response Schema" and "Pagination" write it, with sync views.

Related rows come by `select_related` and `prefetch_related` (Django, "QuerySet API"), many rows by
`bulk_create`, pages of events by its `CursorPagination`.
"""

from typing import Any
from urllib.parse import quote

from benchmarks.stacks.peers.django_tables.project import configure, served
from benchmarks.stacks.stack import Request, Stack


class NinjaStack(Stack):
    """The application alone: what ninja does, it does for HTTP."""

    title = "django-ninja, sync"
    envelope = "results"
    paging = "cursor"
    blocking = True

    async def open(self, url: str) -> None:
        self.app = configure(url, "benchmarks.stacks.peers.django_ninja_urls")

    def served(self) -> Any:
        return served()

    async def place_of(self, before: int) -> Any:
        """Make the cursor of the page that begins with the event at that depth, as the library does."""
        from ninja.pagination import CursorPagination

        from benchmarks.stacks.peers.django_tables.models import Event

        begins = Event.objects.order_by("-at", "-id")[before]
        return CursorPagination.Cursor(p=str(begins.at)).encode_as_param()

    def ask_events(self, place: Any) -> Request:
        return Request("GET", "/events", f"page_size=100&cursor={quote(place)}" if place else "page_size=100")
