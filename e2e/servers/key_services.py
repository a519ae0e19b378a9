"""Stand-ins for services that keep keys, on loopback: Vault's transit engine, the KMS of AWS and of Google, and Azure's Key Vault, written from what their makers document of them.

They check who asks: the token, and the signature of each request with its time.
"""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

RESOURCE = "projects/p/locations/global/keyRings/r/cryptoKeys/k"
ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@dataclass(slots=True)
class Kept:
    """A key that never leaves."""

    key: bytes = field(default_factory=lambda: AESGCM.generate_key(256))

    def seal(self, clear: bytes, beside: bytes = b"") -> str:
        nonce = os.urandom(12)
        return base64.b64encode(nonce + AESGCM(self.key).encrypt(nonce, clear, beside)).decode()

    def open(self, sealed: str, beside: bytes = b"") -> bytes:
        """Raises ValueError, InvalidTag."""
        data = base64.b64decode(sealed, validate=True)
        return AESGCM(self.key).decrypt(data[:12], data[12:], beside)


@dataclass(slots=True)
class Vault:
    """The engine `transit` with a key `sops`, for one token."""

    token: str = "token-of-tests"
    kept: Kept = field(default_factory=Kept)
    asked: list[str] = field(default_factory=list)

    def application(self) -> web.Application:
        application = web.Application()
        for method in ("POST", "PUT"):
            application.router.add_route(method, "/v1/transit/{what}/sops", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.match_info["what"])
        if request.headers.get("X-Vault-Token") != self.token:
            return web.json_response({"errors": ["permission denied"]}, status=403)
        asked = json.loads(await request.read())
        try:
            if request.match_info["what"] == "encrypt":
                return self._data(
                    ciphertext="vault:v1:" + self.kept.seal(base64.b64decode(asked["plaintext"]))
                )
            clear = self.kept.open(asked["ciphertext"].removeprefix("vault:v1:"))
            return self._data(plaintext=base64.b64encode(clear).decode())
        except (ValueError, KeyError, InvalidTag):
            return web.json_response({"errors": ["invalid ciphertext: unable to decrypt"]}, status=400)

    def _data(self, **data: str) -> web.Response:
        return web.json_response({"request_id": "1", "data": data})


@dataclass(slots=True)
class Kms:
    """KMS with one key, for one access key; a session's token is asked for where one is set."""

    id: str = "AKIATESTS"
    secret: str = "secret/of+tests"
    session: str = ""
    kept: Kept = field(default_factory=Kept)
    asked: list[str] = field(default_factory=list)

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        asked = json.loads(body)
        what = request.headers["X-Amz-Target"].removeprefix("TrentService.")
        self.asked.append(what)
        if problem := self._stranger(request, body):
            return _refusal(problem, "the request is not accepted")
        if asked["KeyId"] != ARN:
            return _refusal("NotFoundException", f"Key '{asked['KeyId']}' does not exist")
        beside = json.dumps(asked.get("EncryptionContext") or {}, sort_keys=True).encode()
        try:
            if what == "Encrypt":
                sealed = self.kept.seal(base64.b64decode(asked["Plaintext"]), beside)
                return web.json_response({"CiphertextBlob": sealed, "KeyId": ARN})
            clear = self.kept.open(asked["CiphertextBlob"], beside)
            return web.json_response({"Plaintext": base64.b64encode(clear).decode(), "KeyId": ARN})
        except (ValueError, InvalidTag):
            return _refusal("InvalidCiphertextException", "")

    def _stranger(self, request: web.Request, body: bytes) -> str:
        """Say what is wrong with who asks, by the steps in which a request is signed."""
        algorithm, _, rest = request.headers.get("Authorization", "").partition(" ")
        parts = dict(one.strip().split("=", 1) for one in rest.split(",") if "=" in one)
        if algorithm != "AWS4-HMAC-SHA256" or not parts:
            return "MissingAuthenticationTokenException"
        id_, *scope = parts["Credential"].split("/")
        if id_ != self.id or request.headers.get("X-Amz-Security-Token", "") != self.session:
            return "UnrecognizedClientException"
        at = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        names = parts["SignedHeaders"].split(";")
        if abs(datetime.now(UTC) - at) > timedelta(minutes=15) or not {"host", "x-amz-date"} <= set(names):
            return "InvalidSignatureException"
        headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names)
        canonical = ["POST", request.path, "", headers, ";".join(names), hashlib.sha256(body).hexdigest()]
        digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
        text = "\n".join((algorithm, request.headers["X-Amz-Date"], "/".join(scope), digest))
        key = ("AWS4" + self.secret).encode()
        for part in scope:
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        right = scope == [at.strftime("%Y%m%d"), "eu-central-1", "kms", "aws4_request"]
        return (
            ""
            if right and hmac.compare_digest(signature, parts["Signature"])
            else "InvalidSignatureException"
        )


class Gcp:
    """Google Cloud KMS with one key, and the place where a service account gets its tokens."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.kept = Kept()
        self.asked: list[str] = []
        self._tokens: set[str] = set()

    def account(self, address: str) -> bytes:
        """Return the service account's key as Google gives it out."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        account = {
            "type": "service_account", "project_id": "p", "private_key_id": "1", "private_key": pem.decode(), "client_id": "1",
            "client_email": "sops@p.iam.gserviceaccount.com", "token_uri": f"{address}/token",
        }  # fmt: skip
        return json.dumps(account).encode()

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/token", self._token)
        application.router.add_post("/v1/{name:.+}:{what:[a-z]+}", self._answer)
        return application

    async def _token(self, request: web.Request) -> web.Response:
        self.asked.append("token")
        text, _, signature = str((await request.post())["assertion"]).rpartition(".")
        claims = json.loads(_unpadded(text.partition(".")[2]))
        now = datetime.now(UTC).timestamp()
        try:
            self.key.public_key().verify(
                _unpadded(signature), text.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            return web.json_response(
                {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, status=400
            )
        is_right = claims["aud"] == str(request.url) and claims["iss"] == "sops@p.iam.gserviceaccount.com"
        if (
            not is_right
            or not claims["iat"] - 60 <= now < claims["exp"] <= claims["iat"] + 3600
            or "cloud" not in claims["scope"]
        ):
            return web.json_response(
                {"error": "invalid_grant", "error_description": "Invalid JWT."}, status=400
            )
        token = os.urandom(16).hex()
        self._tokens.add(token)
        return web.json_response({"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    async def _answer(self, request: web.Request) -> web.Response:
        what, name = request.match_info["what"], request.match_info["name"]
        self.asked.append(what)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self._tokens:
            return web.json_response(
                {"error": {"code": 401, "message": "invalid credentials", "status": "UNAUTHENTICATED"}},
                status=401,
            )
        asked = json.loads(await request.read())
        try:
            if what == "encrypt":
                return web.json_response(
                    {
                        "name": name,
                        "ciphertext": self.kept.seal(base64.b64decode(asked["plaintext"]), name.encode()),
                    }
                )
            clear = self.kept.open(asked["ciphertext"], name.encode())
            return web.json_response({"plaintext": base64.b64encode(clear).decode()})
        except (ValueError, InvalidTag):
            error = {
                "code": 400,
                "message": "Decryption failed: verify that 'name' refers to the correct CryptoKey.",
            }
            return web.json_response({"error": error}, status=400)


class Azure:
    """A vault with one RSA key, and the place where an application gets its tokens. It encrypts for whoever asks here."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.asked: list[str] = []
        self._tokens: set[str] = set()

    def seal(self, clear: bytes) -> str:
        return _padless(self.key.public_key().encrypt(clear, _OAEP))

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/{tenant}/oauth2/v2.0/token", self._token)
        application.router.add_post("/keys/sops/1a/decrypt", self._answer)
        return application

    async def _token(self, request: web.Request) -> web.Response:
        self.asked.append("token")
        asked = await request.post()
        wanted = {
            "grant_type": "client_credentials", "client_id": "app", "client_secret": "secret&of=tests",
            "scope": "https://vault.azure.net/.default",
        }  # fmt: skip
        if dict(asked) != wanted or request.match_info["tenant"] != "tenant":
            body = {
                "error": "invalid_client",
                "error_description": "AADSTS7000215: Invalid client secret provided.",
            }
            return web.json_response(body, status=401)
        self._tokens.add(token := os.urandom(16).hex())
        return web.json_response({"token_type": "Bearer", "expires_in": 3599, "access_token": token})

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append("decrypt")
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self._tokens:
            return web.json_response(
                {"error": {"code": "Unauthorized", "message": "AKV10032: Invalid issuer."}}, status=401
            )
        asked = json.loads(await request.read())
        if request.query.get("api-version") != "7.4" or asked["alg"] != "RSA-OAEP-256":
            return web.json_response(
                {"error": {"code": "BadParameter", "message": "not supported"}}, status=400
            )
        try:
            clear = self.key.decrypt(_unpadded(asked["value"]), _OAEP)
        except ValueError:
            error = {"code": "BadParameter", "message": "Failed to decrypt the value."}
            return web.json_response({"error": error}, status=400)
        return web.json_response({"kid": f"{request.url.origin()}/keys/sops/1a", "value": _padless(clear)})


_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


def _padless(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _refusal(kind: str, message: str) -> web.Response:
    body: dict[str, Any] = {"__type": f"com.amazonaws.kms#{kind}", "message": message}
    return web.json_response(body, status=400, content_type="application/x-amz-json-1.1")


@asynccontextmanager
async def serving(service: Vault | Kms | Gcp | Azure) -> AsyncIterator[str]:
    """Serve on loopback until the block ends; give the address."""
    runner = web.AppRunner(service.application(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
