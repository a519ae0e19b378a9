"""Which login of Docker's configuration is for which repository."""

import pytest

from hub.sources.oci.docker_config import ANONYMOUS, Login, login_for
from hub.sources.oci.reference import repository_of

LOGIN = Login(username="ada", password="s3cret")


@pytest.mark.parametrize(
    ("name", "url", "is_for"),
    [
        ("ghcr.io", "oci://ghcr.io/org/app", True),
        ("https://ghcr.io", "oci://ghcr.io/org/app", True),
        ("https://ghcr.io/v2/", "oci://ghcr.io/org/app", True),
        ("ghcr.io/org", "oci://ghcr.io/org/app", True),
        ("ghcr.io/org/app", "oci://ghcr.io/org/app", True),
        ("ghcr.io/or", "oci://ghcr.io/org/app", False),
        ("ghcr.io/org/app/more", "oci://ghcr.io/org/app", False),
        ("example.com", "oci://example.com:5000/app", False),
        ("example.com:5000", "oci://example.com:5000/app", True),
        ("GHCR.io", "oci://ghcr.io/org/app", True),
        ("*.example.com", "oci://eu.example.com/app", True),
        ("*.example.com", "oci://example.com/app", False),
        ("*.example.com", "oci://a.b.example.com/app", False),
        ("*", "oci://ghcr.io/org/app", False),
        ("https://index.docker.io/v1/", "oci://docker.io/library/nginx", True),
        ("docker.io", "oci://docker.io/nginx", True),
        ("index.docker.io", "oci://ghcr.io/org/app", False),
        ("evil-ghcr.io", "oci://ghcr.io/org/app", False),
        ("ghcr.io", "oci://ghcr.io.evil.example/app", False),
    ],
)
def test_a_login_is_for_a_host_and_what_is_below_its_path(name: str, url: str, is_for: bool) -> None:
    assert (login_for(repository_of(url), [{name: LOGIN}]) is LOGIN) is is_for


def test_the_most_specific_login_wins_and_of_equal_ones_the_first() -> None:
    other, third = Login(username="other"), Login(username="third")
    repository = repository_of("oci://ghcr.io/org/app")
    assert login_for(repository, [{"ghcr.io": other}, {"ghcr.io/org": LOGIN}]) is LOGIN
    assert login_for(repository, [{"ghcr.io": LOGIN}, {"https://ghcr.io": third}]) is LOGIN
    assert login_for(repository, []) is ANONYMOUS


@pytest.mark.parametrize("login", [LOGIN, Login(identity_token="s3cret"), Login(registry_token="s3cret")])
def test_a_login_does_not_show_its_secret(login: Login) -> None:
    assert "s3cret" not in f"{login} {login!r}"
    assert login.secrets() == ("s3cret",)
