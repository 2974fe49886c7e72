"""UUIDv7 (RFC 9562): sortable by creation time, so that pages and indexes follow the clock."""

import uuid

from uuid_utils.compat import uuid7


def new_id() -> uuid.UUID:
    return uuid7()
