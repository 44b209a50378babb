"""What can go wrong in a check apart from what it finds.

FieldstoneError
└── CheckError
    └── ConfigurationError
"""

from __future__ import annotations

from fieldstone.errors import FieldstoneError


class CheckError(FieldstoneError):
    """The check cannot run as it was asked to."""


class ConfigurationError(CheckError):
    """The configuration says something that has no meaning."""
