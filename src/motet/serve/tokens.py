"""Tokens: who may read from, write to and administer a service."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from motet.errors import ConfigError, did_you_mean

SCOPES = ("read", "write", "admin")
VARIABLE = "MOTET_TOKENS"
SHORTEST = 16  # characters: at 6 bits each, more than anyone can guess over a network


class Tokens:
    """Tokens and the scopes of each; only their digests are kept in memory.

    Args:
        scopes: Scopes by token. `admin` includes the others.

    Raises:
        ConfigError: If a token is too short, or a scope does not exist.

    Example:
        >>> tokens = Tokens({"correct-horse-battery": ["read"]})
        >>> tokens.scopes("correct-horse-battery"), tokens.scopes("wrong")
        (frozenset({'read'}), frozenset())
    """

    def __init__(self, scopes: Mapping[str, list[str]]) -> None:
        self._scopes: dict[bytes, frozenset[str]] = {}
        for place, (token, allowed) in enumerate(scopes.items(), 1):
            if len(token) < SHORTEST:
                raise ConfigError(
                    f"token {place} has {len(token)} characters; use at least {SHORTEST}, chosen at random"
                )
            for scope in allowed:
                if scope not in SCOPES:
                    hint = did_you_mean(scope, SCOPES)
                    raise ConfigError(f"token {place} has the scope {scope!r}{hint} Scopes: {', '.join(SCOPES)}.")
            self._scopes[_digest(token)] = frozenset(SCOPES if "admin" in allowed else allowed)

    @classmethod
    def find(cls, file: Path | None) -> Self | None:
        """Read tokens from a file, or else from the environment variable `MOTET_TOKENS`.

        Args:
            file: Has lines of a token and its scopes, such as `9f86d081884c7d65 read,write`; `#` starts a comment. The
                variable holds the same, with `;` between lines.

        Returns:
            The tokens; None if there is neither a file nor the variable.

        Raises:
            ConfigError: If the file cannot be read or holds no tokens, a line has another form, or a token comes twice.
        """
        if file is None:
            text = os.environ.get(VARIABLE, "").replace(";", "\n")
            return cls._parse(text, VARIABLE) if text.strip() else None
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the tokens in {file} cannot be read: {error}") from error
        return cls._parse(text, str(file))

    @classmethod
    def _parse(cls, text: str, where: str) -> Self:
        found: dict[str, list[str]] = {}
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            if len(words) != 2:
                raise ConfigError(f"line {number} of {where} is not a token and its scopes, as in: TOKEN read,write")
            if words[0] in found:
                raise ConfigError(f"line {number} of {where} repeats a token; write all its scopes on one line")
            found[words[0]] = words[1].split(",")
        if not found:
            raise ConfigError(f"{where} holds no tokens; write lines such as: TOKEN read,write")
        return cls(found)

    def scopes(self, token: str) -> frozenset[str]:
        """The scopes of a token. The time this takes reveals nothing about the valid tokens.

        Args:
            token: As a client sent it.

        Returns:
            Its scopes; none if it is not valid.
        """
        asked, allowed = _digest(token), frozenset[str]()
        for digest, scopes in self._scopes.items():
            if hmac.compare_digest(digest, asked):
                allowed = scopes
        return allowed


@lru_cache(maxsize=16)  # asked for every request, mostly of one host
def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address, so that no token is needed.

    Args:
        host: A name or an address.

    Returns:
        True for `localhost` and loopback addresses.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost")
        (True, True, True)
        >>> is_loopback("0.0.0.0"), is_loopback("shop"), is_loopback("127.0.0.1.shop")
        (False, False, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "backslashreplace")).digest()
