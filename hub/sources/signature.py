"""Which kind of signature an armored text is, as commits and tags carry them. Pure; verifies nothing."""

from enum import StrEnum


class SignatureType(StrEnum):
    """What signed an object; EMPTY is an unsigned one, UNKNOWN an armor that nobody here reads."""

    OPENPGP = "openpgp"
    SSH = "ssh"
    X509 = "x509"
    EMPTY = "empty"
    UNKNOWN = "unknown"


_ARMOR = {
    "-----BEGIN PGP SIGNATURE-----": SignatureType.OPENPGP,
    "-----BEGIN SSH SIGNATURE-----": SignatureType.SSH,
    "-----BEGIN SIGNED MESSAGE-----": SignatureType.X509,
}


def signature_type(signature: str) -> SignatureType:
    """Classify by the armor's first line; white space around the text does not count."""
    text = signature.strip()
    if not text:
        return SignatureType.EMPTY
    return next((kind for armor, kind in _ARMOR.items() if text.startswith(armor)), SignatureType.UNKNOWN)
