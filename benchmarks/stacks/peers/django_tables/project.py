"""What both Django stacks configure alike: the database, and nothing that a bare API does not need.

Connections stay open ("Persistent connections", `CONN_MAX_AGE=None`). Calls in the application's own
process are WSGI, which is how synchronous Django is deployed; behind uvicorn it is Django's ASGI handler.
"""

from typing import Any
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings


def configure(url: str, urlconf: str, *applications: str) -> Any:
    """Configure Django for a database, and give its WSGI application."""
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": database_of(url) | {"CONN_MAX_AGE": None}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=["benchmarks.stacks.peers.django_tables", *applications],
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": [],
            "DEFAULT_PERMISSION_CLASSES": [],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
            "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
            "UNAUTHENTICATED_USER": None,
        },
        ROOT_URLCONF=urlconf,
        SECRET_KEY="a secret for benchmarks, of no other use",
        TIME_ZONE="UTC",
        USE_TZ=True,
    )
    django.setup()
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def served() -> Any:
    """Give Django's ASGI application."""
    from django.core.asgi import get_asgi_application

    return get_asgi_application()


def database_of(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": url.removeprefix("sqlite:///")}
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.removeprefix("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname,
        "PORT": parts.port,
    }
