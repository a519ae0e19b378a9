"""What somebody keeps is there, what nobody keeps is gone, and nothing has a wrong digest."""

import pytest

from agent.model.content import digest_of
from agent.model.names import Digest
from hub.artifacts.blobs import Blobs


def named(*texts: bytes) -> dict[Digest, bytes]:
    return {digest_of(text): text for text in texts}


def test_what_is_kept_is_found() -> None:
    blobs = Blobs()
    blobs.keep("web", named(b"a", b"b"))
    assert blobs.get(digest_of(b"a")) == b"a"
    assert blobs.get(digest_of(b"c")) is None


def test_the_set_before_the_last_goes() -> None:
    blobs = Blobs()
    for texts in ((b"a", b"x"), (b"b", b"x"), (b"c", b"x")):
        blobs.keep("web", named(*texts))
    assert blobs.get(digest_of(b"a")) is None
    assert [blobs.get(digest_of(text)) for text in (b"b", b"c", b"x")] == [b"b", b"c", b"x"]


def test_keeping_the_same_again_is_no_new_set() -> None:
    blobs = Blobs()
    assert blobs.keep("web", named(b"a"))
    assert blobs.keep("web", named(b"b"))
    assert not blobs.keep("web", named(b"b"))
    assert blobs.get(digest_of(b"a")) == b"a"


def test_what_another_keeper_keeps_stays() -> None:
    blobs = Blobs()
    blobs.keep("web", named(b"a", b"b"))
    blobs.keep("api", named(b"a"))
    blobs.release("web")
    assert blobs.get(digest_of(b"a")) == b"a"
    assert len(blobs) == 1


def test_content_under_a_wrong_digest_is_refused() -> None:
    with pytest.raises(ValueError, match="not its content"):
        Blobs().keep("web", {digest_of(b"a"): b"b"})


def test_what_another_keeps_is_not_given_to_one_who_does_not() -> None:
    blobs = Blobs()
    for texts in ((b"a",), (b"b",), (b"c",)):
        blobs.keep("web", named(*texts))
    blobs.keep("other", named(b"a", b"x"))
    assert [blobs.kept("web", digest_of(text)) for text in (b"a", b"b", b"c", b"x")] == [
        None,
        b"b",
        b"c",
        None,
    ]
    assert blobs.kept("nobody", digest_of(b"c")) is None
