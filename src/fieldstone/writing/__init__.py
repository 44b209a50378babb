"""From values to rows: the verbs that write, each of which flushes and none of which commits.

`single` writes one row with what is nested in it (`nesting`, `children`) and what it is based on
(`versions`), `upserting` and `bulk` write rows without instances (`rows`, `uniques`, `conflicts`,
`returned`, `synchronising`), `linking` writes what belongs together (`links`), `claiming` locks, and
`cycles` keeps trees trees.
"""

from fieldstone.writing.answers import create, create_whole, json_create, json_patch, patch, patch_whole
from fieldstone.writing.bulk import delete_where, patch_where
from fieldstone.writing.claiming import claim, claim_many, get_for_update
from fieldstone.writing.inserting import create_many
from fieldstone.writing.linking import link, replace_links, unlink
from fieldstone.writing.merging import upsert
from fieldstone.writing.removing import delete
from fieldstone.writing.single import restore
from fieldstone.writing.upserting import UpsertCounts, Upserted, upsert_many

__all__ = [
    "UpsertCounts",
    "Upserted",
    "claim",
    "claim_many",
    "create",
    "create_many",
    "create_whole",
    "delete",
    "delete_where",
    "get_for_update",
    "json_create",
    "json_patch",
    "link",
    "patch",
    "patch_where",
    "patch_whole",
    "replace_links",
    "restore",
    "unlink",
    "upsert",
    "upsert_many",
]
