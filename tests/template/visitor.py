"""Somebody with a browser and no JavaScript: opens pages, fills in their forms, follows where they lead."""

from __future__ import annotations

from dataclasses import dataclass

import httpx2 as httpx

from tests.template.markup import Element, parse

BROWSER = {"Sec-Fetch-Site": "same-origin", "Origin": "http://app.test"}


@dataclass(frozen=True)
class View:
    """What the visitor sees after a request and all redirects."""

    status: int
    address: str
    page: Element
    headers: httpx.Headers

    def form(self, action: str) -> Element:
        """Find a form by where it is sent; one without an action goes to its own page."""
        return self.page.one("form", method="post", **({"action": action} if action else {}))

    def problem(self, name: str) -> str:
        """Read what is said to be wrong with a field, following how a screen reader finds it."""
        [control] = [one for one in self.page.all(name=name) if one.attributes.get("aria-invalid") == "true"]
        return self.page.one(id=control.attributes["aria-describedby"]).text


class Visitor:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def open(self, address: str) -> View:
        return self._see(await self.client.get(address, follow_redirects=True))

    async def send(self, view: View, action: str = "", **typed: str) -> View:
        """Fill in a form of the page that is open, leave the rest as it is, and send it."""
        fields = {**view.form(action).fields(), **typed}
        return await self.post(action or view.address, **fields)

    async def post(self, address: str, **fields: str) -> View:
        response = await self.client.post(address, data=fields, headers=BROWSER, follow_redirects=False)
        if response.status_code == 303:
            return await self.open(response.headers["location"])
        assert not response.is_redirect, (
            f"{address} answers {response.status_code}, which may repeat the form"
        )
        return self._see(response)

    def _see(self, response: httpx.Response) -> View:
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        address = response.url.raw_path.decode()
        return View(response.status_code, address, parse(response.text), response.headers)
