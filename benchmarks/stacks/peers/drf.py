"""Django REST framework, as its pages "Quickstart", "Serializers", "Generic views" and "Pagination" write it.

ModelSerializers in a ModelViewSet; `get_queryset` cuts a list where the request says, since a paginator with
offsets would count. Pages of events come from its `CursorPagination`.
"""

from base64 import b64encode
from typing import Any
from urllib.parse import quote, urlencode

from benchmarks.stacks.peers.django_tables.project import configure, served
from benchmarks.stacks.stack import Request, Stack


class DrfStack(Stack):
    """The application alone: what the framework does, it does for HTTP."""

    title = "Django REST framework"
    envelope = "results"
    paging = "cursor"
    blocking = True

    async def open(self, url: str) -> None:
        self.app = configure(url, "benchmarks.stacks.peers.drf_urls", "rest_framework")

    def served(self) -> Any:
        return served()

    async def place_of(self, before: int) -> Any:
        """Make the cursor behind the event before that depth, as the library does."""
        from benchmarks.stacks.peers.django_tables.models import Event

        last = Event.objects.order_by("-at", "-id")[before - 1]
        return b64encode(urlencode({"p": str(last.at)}).encode()).decode()

    def ask_events(self, place: Any) -> Request:
        return Request("GET", "/events", f"cursor={quote(place)}" if place else "")
