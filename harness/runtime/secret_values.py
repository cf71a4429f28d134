"""What must never be written: passwords, tokens, and every value that came from the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from omegaconf import MISSING, DictConfig, ListConfig
from omegaconf.errors import OmegaConfBaseException

from harness.core.override_text import OverrideText
from harness.runtime.config_nodes import container
from harness.runtime.redact import MASK, forms, mask_urls, passwords, secret_header, secret_name, secret_value

SHORTEST = 4
"""A shorter secret is masked in the configuration, but not searched for in free text,
where it would hit innocent words."""

_LONG = 8
"""A shorter variable that is only named like a secret is not searched for."""

_SCHEME = re.compile(r"^(bearer|basic|token)\s+", re.IGNORECASE)
"""Of `Bearer TOKEN`, the token may be shown alone."""

_FROM_ENVIRONMENT = re.compile(r"\$\{\s*oc\.env\s*:\s*(?P<name>[^\s,{}]+)")

_REFERENCE = r"\$\{\s*oc\.env[^{}]*\}"

_WITHIN_A_VALUE = re.compile(
    r"[{,]\s*(?P<q>['\"]?)(?P<name>[\w.-]+)(?P=q)\s*:\s*(?P<value>'[^']*'|\"[^\"]*\"|[^,{}\s][^,{}]*)"
)
"""`{name: value, …}`, which Hydra takes on the command line."""


class Secrets:
    """Knows the secrets of a command line and its configuration, and keeps them out of what is written.

    `config` is the configuration as a plain container: resolved, except that a value from the
    environment stays as its `${oc.env:…}`, and passwords in URLs and the values of keys named like
    secrets are `***`. `text` does the same to any sentence.

    Args:
        cfg: the configuration; None while there is none yet.
        words: of the command line, which may hold secrets that the configuration does not.
    """

    def __init__(self, cfg: DictConfig | None, words: list[str] | None = None) -> None:
        self._known: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self._learn_process()
        self.learn(words or [])
        self.config: dict[str, Any] = {} if cfg is None else self._whole(cfg)
        # A secret may have been copied into another value by an interpolation.
        self.config = self._scrub(self.config)

    def learn(self, words: Iterable[str]) -> None:
        """Learns the secrets of more words of the command line."""
        for word in words:
            self._learn_word(word)

    @property
    def known(self) -> list[tuple[str, str]]:
        """Every secret with what replaces it, in a fixed order; never to be written."""
        return sorted(self._known.items())

    def text(self, text: str) -> str:
        """`text` with every known secret and every password in a URL masked."""
        if self._pattern is None:
            values = sorted(self._known, key=len, reverse=True)
            # One pass, in which references to the environment are not resolved.
            self._pattern = re.compile("|".join([_REFERENCE, *map(re.escape, values)]))
        text = self._pattern.sub(lambda match: self._known.get(match[0], match[0]), text)
        return mask_urls(text)

    def texts(self, node: Any) -> Any:
        """A plain container with `text` done to every text in it."""
        if isinstance(node, dict):
            return {key: self.texts(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self.texts(value) for value in node]
        return self.text(node) if isinstance(node, str) else node

    def _learn_word(self, word: str) -> None:
        """What stands behind a key named like a secret, and what the word takes from the environment.

        The key may be within the value, as in `+data.extract.headers={authorization: …}`.
        """
        override = OverrideText.split(word)
        *parents, name = override.key.split(".")
        inner = [(part["name"], part["value"]) for part in _WITHIN_A_VALUE.finditer(override.value or "")]
        headers = dict(inner) if _of_headers(name) else {}
        if parents and _of_headers(parents[-1]):
            headers[name] = override.value or ""
        for setting, value in [(name, override.value or ""), *inner]:
            plain = _plain(value)
            secret = secret_value(setting, plain) or (setting in headers and secret_header(setting))
            if not secret or plain is None or "${" in value:
                continue
            text = value.strip("'\"")
            self._learn(text, MASK)
            if 0 < len(text) < SHORTEST:
                self._known[word], self._pattern = f"{word.partition('=')[0]}={MASK}", None
        self._learn_urls(word)
        self._learn_environment(word)

    def _learn(self, value: Any, shown: str) -> None:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return
        for text in (str(value), _SCHEME.sub("", str(value))):
            if len(text) >= SHORTEST:
                self._known |= dict.fromkeys(forms(text), shown)
                self._pattern = None

    def _learn_process(self) -> None:
        """Libraries read variables such as PGPASSWORD and MLFLOW_TRACKING_TOKEN by themselves."""
        for name, value in os.environ.items():
            if secret_name(name) and len(value) >= _LONG and not value.startswith("/"):
                self._learn(value, f"${{oc.env:{name}}}")

    def _learn_environment(self, raw: str) -> bool:
        """Whether any of the variables in `raw` is set; a default is no secret."""
        names = [reference["name"] for reference in _FROM_ENVIRONMENT.finditer(raw)]
        for name in names:
            self._learn(os.environ.get(name), f"${{oc.env:{name}}}")
        return any(name in os.environ for name in names)

    def _learn_whole(self, parent: Any, key: Any, raw: str) -> None:
        """What the text around the variables, or a resolver, made of their values."""
        try:
            self._learn(parent[key], raw)
        except OmegaConfBaseException:
            return  # a variable that is not set is reported where its value is used

    def _learn_urls(self, text: str) -> None:
        for password in passwords(text):
            self._learn(password, MASK)

    def _whole(self, cfg: Any, secret: str = "", headers: bool = False) -> Any:
        """The container of a node of the configuration."""
        return self._container(container(cfg, resolve=False), lambda: cfg, secret, headers)

    def _container(self, raw: Any, node: Callable[[], Any], secret: str, headers: bool) -> Any:
        """The container of a node.

        Args:
            raw: the node as a plain container with its references.
            node: returns the node itself, which is needed for references only: it is slow to read.
            secret: its name, if that of a secret.
        """
        if isinstance(raw, list):
            return [self._leaf(node, position, value, secret) for position, value in enumerate(raw)]
        if headers:
            return {
                key: self._leaf(node, key, value, "token" if secret_header(key) else "")
                for key, value in raw.items()
            }
        return {str(key): self._leaf(node, key, value, secret) for key, value in raw.items()}

    def _leaf(self, parent: Callable[[], Any], key: Any, raw: Any, secret: str) -> Any:
        if isinstance(raw, dict | list):
            below = self._secret_above(secret, key), _of_headers(str(key))
            return self._container(raw, lambda: parent()[key], *below)
        value = raw
        if isinstance(raw, str) and ("${" in raw or raw == MISSING):
            if _FROM_ENVIRONMENT.search(raw):
                if self._learn_environment(raw):
                    self._learn_whole(parent(), key, raw)
                return raw
            value = parent()[key]
            if isinstance(value, DictConfig | ListConfig):
                return self._whole(value, self._secret_above(secret, key), _of_headers(str(key)))
        if secret_value(secret, value) or secret_value(str(key), value):
            self._learn(value, MASK)
            return MASK
        if isinstance(value, str):
            self._learn_urls(value)
        return value

    def _secret_above(self, secret: str, key: Any) -> str:
        """The name of a secret that a node is within; empty if it is within none."""
        return secret or (str(key) if secret_name(str(key)) else "")

    def _scrub(self, node: Any) -> Any:
        if isinstance(node, dict):
            return {key: self._scrub(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self._scrub(value) for value in node]
        if isinstance(node, str) and not _FROM_ENVIRONMENT.search(node):
            return self.text(node)
        return node


def _plain(value: str) -> Any:
    """What a word gives, as far as that decides whether it is a secret: null, a truth, a number or a text."""
    if value in ("", "null", "true", "false"):
        return None
    return int(value) if value.isascii() and value.isdigit() else value


def _of_headers(key: str) -> bool:
    """Whether a mapping of this name holds the headers of requests."""
    return key.lower().endswith("headers")


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a plain container with its dotted key: what is logged as a parameter."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(node, list) and any(isinstance(item, dict | list) for item in node):
        for position, value in enumerate(node):
            yield from leaves(value, f"{prefix}.{position}")
    else:
        yield prefix, node
