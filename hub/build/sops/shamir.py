"""Puts a secret together from parts of it: Shamir's scheme over the field of AES, a polynomial per byte. Pure.

The last byte of a part is where its polynomials were taken; the secret is what they are at 0.
"""

from collections.abc import Sequence
from functools import reduce
from operator import xor

from hub.build.sops.errors import SopsFailed


def combine(parts: Sequence[bytes]) -> bytes:
    """Return the secret. Too few parts give a wrong one, which nothing here can tell. Raises SopsFailed for parts that do not fit."""
    if len(parts) < 2 or len({len(part) for part in parts}) != 1 or len(parts[0]) < 2:
        raise SopsFailed(
            "could not get data key from shamir parts: they do not have the same length, or are fewer than 2"
        )
    places = [part[-1] for part in parts]
    if len(set(places)) != len(places) or 0 in places:
        raise SopsFailed("could not get data key from shamir parts: one of them is there twice")
    weights = [_weight(place, places) for place in places]
    return bytes(
        reduce(xor, (_times(part[index], weight) for part, weight in zip(parts, weights, strict=True)))
        for index in range(len(parts[0]) - 1)
    )


def _weight(place: int, places: Sequence[int]) -> int:
    """Return what the value at a place counts at 0."""
    weight = 1
    for other in places:
        if other != place:
            weight = _times(weight, _times(other, _inverse(place ^ other)))
    return weight


def _times(a: int, b: int) -> int:
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def _inverse(a: int) -> int:
    inverse = 1
    for _ in range(254):
        inverse = _times(inverse, a)
    return inverse
