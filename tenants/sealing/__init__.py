"""Everything that turns secrets into ciphertext and back. `cryptography` is imported in this package alone.

Layers: the keyring (outside the database) wraps one data key per tenant (`TenantKey`), which seals fields. A blob says
by which version of the data key it was sealed, so a key is chosen by its id and never by trial.
"""

from tenants.sealing.box import Box
from tenants.sealing.keyring import KeyringError, verify_before_serving, verify_keyring
from tenants.sealing.platform import open_platform_text, seal_platform_text
from tenants.sealing.sealing import Context, Undecryptable, fingerprint, open_sealed, seal
from tenants.sealing.secret import Secret

__all__ = [
    "Box",
    "Context",
    "KeyringError",
    "Secret",
    "Undecryptable",
    "fingerprint",
    "open_platform_text",
    "open_sealed",
    "seal",
    "seal_platform_text",
    "verify_before_serving",
    "verify_keyring",
]
