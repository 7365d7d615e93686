"""Ask a schema registry for schemas, by the interface that Confluent's, Apicurio and Karapace share."""

import base64
import http.client
import json
import os
import random
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import quote, urlsplit

from sales_warehouse.errors import ConfigurationError, ServerAway
from sales_warehouse.load.readers.parse_object import Unfit

URL_VARIABLE = "SCHEMA_REGISTRY_URL"
USER_VARIABLE = "SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO"

_ACCEPT = "application/vnd.schemaregistry.v1+json, application/json"
_NOT_FOUND = range(40401, 40404)  # error codes of the registry: its subject, version or schema is unknown
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 10.0
_JITTER = 0.2  # so that processes that lost the same registry do not all come back at one instant
_ANSWER_SECONDS = 5.0
_UNKNOWN_SECONDS = 10.0  # an id that was unknown is asked for again: a topic of such messages must not flood a registry
_MAX_BYTES = 16 * 1024**2


class RegistryAway(ServerAway):
    """The registry did not answer in time, or a stop was asked for: messages of unknown schemas must wait."""


@dataclass(frozen=True)
class Patience:
    """How a registry that does not answer is waited for."""

    say: Callable[[str], None]  # is called with a message before each wait
    pause: Callable[[float], bool]  # waits so many seconds; says whether to stop now, as `threading.Event.wait` does
    seconds: float = 60.0  # how long; then `RegistryAway` is raised, so that a consumer can do something else meanwhile


@dataclass(frozen=True)
class Address:
    """Where a registry is and who asks."""

    url: str
    user_info: str = field(default="", repr=False)  # user:password
    url_variable: str = URL_VARIABLE
    user_variable: str = USER_VARIABLE

    @property
    def shown(self) -> str:
        """The host and port, for messages."""
        return urlsplit(self.url).netloc


@dataclass(frozen=True)
class Found:
    """A schema as the registry has it, with the schemas it refers to, each behind its own references."""

    schema: Any
    references: tuple[Any, ...] = ()


def find_address(name: str, environment: Mapping[str, str] = os.environ) -> Address:
    """Return where the registry of a name is: ``SCHEMA_REGISTRY_URL_<NAME>``, otherwise ``SCHEMA_REGISTRY_URL``.

    The credentials are those of the same variables, so those of one registry are never sent to another one.
    Raises `ConfigurationError` that names the variable.
    """
    suffix = f"_{name.upper()}" if environment.get(f"{URL_VARIABLE}_{name.upper()}") else ""
    url_variable, user_variable = URL_VARIABLE + suffix, USER_VARIABLE + suffix
    url, user_info = environment.get(url_variable, ""), environment.get(user_variable, "")
    if not url:
        raise ConfigurationError(
            f"The schema registry {name} is not known. Set {URL_VARIABLE}, or {URL_VARIABLE}_{name.upper()} if there "
            "are several, to its address, such as http://127.0.0.1:8081."
        )
    if not re.fullmatch(r"https?://[!-~]+", url) or not _has_host(url):
        raise ConfigurationError(
            f"{url_variable} must be one address that begins with http:// or https://; it is something else now."
        )
    if "@" in urlsplit(url).netloc:
        raise ConfigurationError(f"{url_variable} has a user in it. Move user:password into {user_variable}.")
    if user_info and ":" not in user_info:
        raise ConfigurationError(f"{user_variable} must be user:password; it has no colon now.")
    return Address(url.rstrip("/"), user_info, url_variable, user_variable)


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


class Registry:
    """Finds schemas, each once."""

    def __init__(self, address: Address, patience: Patience) -> None:
        self._address = address
        self._patience = patience
        self._opener = urllib.request.build_opener(_NoRedirect)  # it would send the credentials on
        self._unknown: dict[str, float] = {}  # paths and when they are asked for again

    def find(self, schema_id: int) -> Found:
        """Return the schema of an id. Raises `Unfit` where the registry has none, or one that is not Avro's.

        Raises `RegistryAway` where it does not answer, and `ConfigurationError` where it refuses the credentials.
        """
        return self._read(self._get(f"/schemas/ids/{schema_id}", f"a schema with the id {schema_id}"))

    def find_version(self, subject: str, version: int) -> Found:
        """Return a version of a subject, as `find` does."""
        path = f"/subjects/{quote(subject, safe='')}/versions/{version}"
        return self._read(self._get(path, f"version {version} of the subject {subject}"))

    def _read(self, answer: Mapping[str, Any]) -> Found:
        references: dict[tuple[str, int], Any] = {}
        self._add_references(answer, references, ())
        return Found(_parse(answer), tuple(references.values()))

    def _add_references(
        self, answer: Mapping[str, Any], found: dict[tuple[str, int], Any], above: tuple[tuple[str, int], ...]
    ) -> None:
        """Add the schemas that an answer refers to, each behind those it refers to itself."""
        for reference in answer.get("references") or ():
            key = (str(reference["subject"]), int(reference["version"]))
            if key in above:
                raise Unfit("bad_schema", f"the schema {key[0]} refers to itself")
            if key not in found:
                path = f"/subjects/{quote(key[0], safe='')}/versions/{key[1]}"
                inner = self._get(path, f"version {key[1]} of the subject {key[0]}, which a schema refers to")
                self._add_references(inner, found, (*above, key))
                found[key] = _parse(inner)

    def _get(self, path: str, what: str) -> Mapping[str, Any]:
        """Return the answer for a path; wait for a registry that does not answer."""
        started = time.monotonic()
        if started < self._unknown.get(path, 0):
            raise Unfit("unknown_schema", f"the registry has no {what.removeprefix('a ')}")
        wait = _FIRST_WAIT_SECONDS
        while True:
            try:
                return self._ask(path)
            except _Unknown:
                self._unknown[path] = time.monotonic() + _UNKNOWN_SECONDS
                raise Unfit("unknown_schema", f"the registry has no {what.removeprefix('a ')}") from None
            except _Away as away:
                left = started + self._patience.seconds - time.monotonic()
                problem = f"The schema registry at {self._address.shown} does not answer ({away})."
                if left <= 0:
                    raise RegistryAway(f"{problem} Start it, or correct {self._address.url_variable}.") from None
                seconds = min(wait * random.uniform(1 - _JITTER, 1 + _JITTER), left)
                self._patience.say(f"{problem} Messages wait for it; trying again in {seconds:.1f} s.")
                if self._patience.pause(seconds):
                    raise RegistryAway(f"{problem} The wait was ended.") from None
                wait = min(wait * 2, _LONGEST_WAIT_SECONDS)

    def _ask(self, path: str) -> Mapping[str, Any]:
        """Return the answer for a path; raise `_Away` where the same question may be answered later."""
        address = self._address
        request = urllib.request.Request(address.url + path, headers={"Accept": _ACCEPT})  # noqa: S310, http(s) alone
        if address.user_info:
            token = base64.b64encode(address.user_info.encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {token}")
        try:
            with self._opener.open(request, timeout=_ANSWER_SECONDS) as answer:
                return self._parse_answer(_read_all(answer))
        except urllib.error.HTTPError as error:
            with error:
                raise self._judge(error.code, _read_all(error)) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise ConfigurationError(
                    f"The certificate of the schema registry at {address.shown} is not trusted "
                    f"({reason.verify_message}). Correct {address.url_variable}, or name the authority's certificate "
                    "in SSL_CERT_FILE."
                ) from None
            raise _Away(str(reason) or type(reason).__name__) from None

    def _parse_answer(self, body: bytes) -> Mapping[str, Any]:
        answer = _load(body)
        if answer is None or not isinstance(answer.get("schema"), str):
            raise self._no_registry("its answer has no schema")
        return answer

    def _judge(self, status: int, body: bytes) -> Exception:
        """Return the exception for an answer that is no schema."""
        address = self._address
        if status in (401, 403):
            step = f"Correct {address.user_variable}" if address.user_info else f"Set {address.user_variable}"
            return ConfigurationError(
                f"The schema registry at {address.shown} refuses {'these' if address.user_info else 'missing'} "
                f"credentials (HTTP {status}). {step} to user:password of an account that may read schemas."
            )
        if status == 404 and (_load(body) or {}).get("error_code") in _NOT_FOUND:
            return _Unknown()
        return _Away(f"HTTP {status}") if status in _TRANSIENT else self._no_registry(f"HTTP {status}")

    def _no_registry(self, problem: str) -> ConfigurationError:
        address = self._address
        return ConfigurationError(
            f"No schema registry answers at {address.shown} ({problem}). Correct {address.url_variable}, with the path "
            "of the interface compatible with Confluent's if it has one: http://127.0.0.1:8080/apis/ccompat/v7."
        )


class _Away(Exception):
    """The registry does not answer now."""


class _Unknown(Exception):
    """The registry answered that it does not have what was asked for."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect."""

    def redirect_request(self, *_: Any) -> None:
        """Return no request to another address."""


def _read_all(answer: IO[bytes]) -> bytes:
    body = answer.read(_MAX_BYTES + 1)
    if len(body) > _MAX_BYTES:
        raise Unfit("bad_schema", f"a schema of more than {_MAX_BYTES:,} bytes")
    return body


def _load(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _parse(answer: Mapping[str, Any]) -> Any:
    kind = answer.get("schemaType") or "AVRO"
    if kind != "AVRO":
        raise Unfit("bad_schema", f"the schema is of {kind}, not of AVRO")
    text = str(answer["schema"])
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Unfit("bad_schema", f"not a schema of Avro: {text[:100]!r} is not JSON") from None
