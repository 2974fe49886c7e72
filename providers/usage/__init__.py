"""What each call used: noted beside the answer, written in batches after it."""

from providers.usage.metering import flush, record
from providers.usage.rows import Call, insert

__all__ = ["Call", "flush", "insert", "record"]
