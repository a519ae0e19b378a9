import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.build.sops.errors import SopsFailed
from hub.build.sops.shamir import combine


def powers() -> list[int]:
    """Return the powers of 3, which are all numbers of the field of AES but 0."""
    found = [1]
    while len(found) < 255:
        last = found[-1]
        found.append((last ^ (last << 1)) ^ (0x11B if last & 0x80 else 0))
    return found


POWERS = powers()
LOGARITHMS = {power: exponent for exponent, power in enumerate(POWERS)}


def times(a: int, b: int) -> int:
    """Multiply by logarithms, which is another way than that of the code."""
    return POWERS[(LOGARITHMS[a] + LOGARITHMS[b]) % 255] if a and b else 0


def split(secret: bytes, coefficients: list[bytes], places: list[int]) -> list[bytes]:
    parts = []
    for place in places:
        values = bytearray(secret)
        for index in range(len(secret)):
            power = 1
            for one in coefficients:
                power = times(power, place)
                values[index] ^= times(one[index], power)
        parts.append(bytes(values) + bytes([place]))
    return parts


@given(
    st.binary(min_size=3, max_size=3),
    st.lists(st.binary(min_size=3, max_size=3), min_size=1, max_size=2),
    st.lists(st.integers(1, 255), min_size=3, max_size=4, unique=True),
)
def test_enough_parts_give_the_secret(secret: bytes, coefficients: list[bytes], places: list[int]) -> None:
    assert combine(split(secret, coefficients, places)) == secret


@pytest.mark.parametrize(
    "parts",
    [[], [b"a\x01"], [b"a\x01", b"b\x01"], [b"a\x01", b"bc\x02"], [b"a\x00", b"b\x02"], [b"\x01", b"\x02"]],
)
def test_parts_that_do_not_fit_are_refused(parts: list[bytes]) -> None:
    with pytest.raises(SopsFailed, match=r"^could not get data key from shamir parts"):
        combine(parts)
