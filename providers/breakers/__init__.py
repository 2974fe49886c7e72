"""Circuit breakers: a box that cannot be reached rests, and so does a model that fails again and again.

`check` and `Trial` are all that a call needs. While nothing fails anywhere, they look at an empty dict.
"""

from providers.breakers.board import Trial, check, close, everywhere, is_half_open, note_first_token, resting_seconds
from providers.breakers.sharing import Resting

__all__ = ["Resting", "Trial", "check", "close", "everywhere", "is_half_open", "note_first_token", "resting_seconds"]
