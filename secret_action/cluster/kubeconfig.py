"""A kubeconfig as people hand it over (YAML, base64 of it, one path or several) → one cluster and one user.

Nothing of a kubeconfig but names of contexts, clusters, users and programs is ever in a message.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml

from secret_action.cluster.addresses import is_http_url, is_loopback, without_userinfo
from secret_action.errors import InputError
from secret_action.model import Problem

_SEPARATOR = ":"  # of several paths, as in the variable KUBECONFIG
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_SECRET_FILES = ("client-key", "tokenFile")  # where people paste the thing itself
_TEXTS = ("server", "proxy-url", "tls-server-name", "token", *_FILES, *(f"{name}-data" for name in _FILES[:3]))
_TLS = ("certificate-authority", "certificate-authority-data", "insecure-skip-tls-verify", "tls-server-name")
_IMPERSONATION = ("as", "as-uid", "as-groups", "as-user-extra")


@dataclass(frozen=True)
class Access:
    """One context of a kubeconfig, taken apart."""

    context: str
    contexts: tuple[str, ...]
    """All contexts that there are."""
    cluster_name: str
    cluster: Mapping[str, Any]
    user_name: str
    user: Mapping[str, Any]
    """Empty for an anonymous user. It holds credentials."""
    folder: str
    """The file's folder, in which its credential plug-in runs; empty for a kubeconfig handed over as text."""

    def __repr__(self) -> str:
        return f"<kubeconfig context {self.context}>"


def read_kubeconfig(text: str, source: str, wanted_context: str) -> Access:
    """The context to use. source: the input or variable that `text` came from. wanted_context: empty for the current.

    Raises InputError that names what is wrong with which input.
    """
    merged = _Merged(source)
    for content, path in _contents(text, source):
        merged.add(_parsed(content, path or source), os.path.dirname(path))
    return merged.access(wanted_context)


def _contents(text: str, source: str) -> Iterator[tuple[str, str]]:
    """Each YAML text, with the absolute path of its file, or an empty one where it came as text."""
    stripped = text.strip()
    if ("\n" in stripped and not _looks_like_base64(stripped)) or stripped.startswith("{"):
        yield text, ""
        return
    paths = [os.path.expanduser(path) for path in stripped.split(_SEPARATOR) if path]
    present = [os.path.abspath(path) for path in paths if _is_file(path)]
    if present:  # as kubectl does, files of a list that are not there are passed over
        for path in present:
            with open(path, encoding="utf-8", errors="replace") as file:
                yield file.read(), path
        return
    if (decoded := _from_base64(stripped)) is not None:
        yield decoded, ""
        return
    if re.fullmatch(r"[\w.~:/\\ +@-]{1,1000}", stripped):
        raise InputError(
            Problem(
                # Not quoted: it may as well be a token, or base64 that lost its end.
                f"{source} is neither YAML nor base64 of it, and the path that it names is not there.",
                "Pass the kubeconfig's whole content, or write it to a folder under the workspace "
                "($GITHUB_WORKSPACE): a container action does not see the runner's home folder.",
            )
        )
    raise InputError(_not_yaml(source, "it is neither YAML, nor base64 of it, nor a path"))


def _is_file(path: str) -> bool:
    try:
        return os.path.isfile(path)
    except ValueError:  # a NUL in it
        return False


def _looks_like_base64(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9+/=\s]+", text))


def _from_base64(text: str) -> str | None:
    if not _looks_like_base64(text):
        return None
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _parsed(content: str, source: str) -> Mapping[str, Any]:
    try:
        found = [document for document in yaml.safe_load_all(content) if document is not None]
    except yaml.YAMLError as error:
        # The parser's message quotes the text around the mistake, which may be a key: only the line is told.
        mark = getattr(error, "problem_mark", None)
        raise InputError(_not_yaml(source, f"see its line {mark.line + 1}" if mark else "")) from None
    if len(found) > 1:
        raise InputError(_not_yaml(source, "it holds several documents"))
    if not found or not isinstance(found[0], Mapping):
        raise InputError(_not_yaml(source, "it is one text, or a list"))
    return found[0]


def _not_yaml(source: str, why: str) -> Problem:
    return Problem(
        f"{source} is not a kubeconfig in YAML{f' ({why})' if why else ''}.",
        "Pass the whole file as `kubectl config view --raw --minify --flatten` prints it, as it is or as base64.",
    )


class _Merged:
    """Several kubeconfigs as kubectl merges them: the first that names a thing has its say."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._current = ""
        self._named: dict[str, dict[str, tuple[Mapping[str, Any], str]]] = {}

    def add(self, config: Mapping[str, Any], folder: str) -> None:
        current = config.get("current-context")
        if not self._current and isinstance(current, str):
            self._current = current
        for kind in ("context", "cluster", "user"):
            known = self._named.setdefault(kind, {})
            items = config.get(f"{kind}s") or []
            for item in items if isinstance(items, list) else []:
                if isinstance(item, Mapping) and isinstance(item.get("name"), str):
                    inner = item.get(kind)
                    known.setdefault(item["name"], (_absolute(inner, folder), folder))

    def access(self, wanted: str) -> Access:
        name, context = self._context(wanted)
        cluster_name = str(context.get("cluster") or "")
        user_name = str(context.get("user") or "")
        cluster, _ = self._found("cluster", cluster_name, name)
        user, folder = self._found("user", user_name, name) if user_name else ({}, "")
        if not isinstance(cluster.get("server"), str) or not cluster["server"]:
            raise InputError(
                Problem(
                    f"{self._source}: the cluster “{cluster_name}” names no `server`.",
                    "Add the API server's URL to it.",
                )
            )
        cluster = {**cluster, "server": _with_scheme(cluster["server"], cluster, user)}
        access = Access(name, tuple(self._named.get("context", ())), cluster_name, cluster, user_name, user, folder)
        if problem := _unusable(access, self._source):
            raise InputError(problem)
        return access

    def _context(self, wanted: str) -> tuple[str, Mapping[str, Any]]:
        contexts = self._named.get("context", {})
        if not contexts:
            raise InputError(_not_yaml(self._source, "it has no contexts"))
        name = wanted or self._current
        if not name and len(contexts) == 1:
            name = next(iter(contexts))
        if name in contexts:
            return name, contexts[name][0]
        listed = ", ".join(f"“{known}”" for known in _nearest_first(name, contexts))
        what = f"has no context “{name}”" if name else "has several contexts and none of them is the current one"
        raise InputError(Problem(f"{self._source} {what}; there are {listed}.", "Set kube-context to one of them."))

    def _found(self, kind: str, name: str, context: str) -> tuple[Mapping[str, Any], str]:
        known = self._named.get(kind, {})
        if name in known:
            return known[name]
        listed = ", ".join(f"“{other}”" for other in _nearest_first(name, known)) or "none"
        raise InputError(
            Problem(
                f"{self._source}: the context “{context}” asks for the {kind} “{name}”, which is not in it "
                f"(there are: {listed}).",
                "Pass the whole kubeconfig: `kubectl config view --raw --minify --flatten`.",
            )
        )


def _with_scheme(server: str, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> str:
    """As kubectl, HTTPS where TLS is spoken of and no scheme is; and wherever a credential is sent.

    A scheme is written small: the Kubernetes client reads the CA for `https` alone.
    """
    server = server.strip()
    scheme, separator, rest = server.partition("://")
    if separator:
        return f"{scheme.lower()}://{rest}"
    return f"{'https' if user or any(cluster.get(name) for name in _TLS) else 'http'}://{server}"


def _unusable(access: Access, source: str) -> Problem | None:
    """What the Kubernetes client would pass over in silence, take for something else, or quote in an error."""
    whose = f"context “{access.context}”"
    for part in (access.cluster, access.user):
        if wrong := next((name for name in _TEXTS if not isinstance(part.get(name, ""), str)), ""):
            return Problem(f"{source}: `{wrong}` of {whose} is not a text.", "Put it in quotes.")
    if not isinstance(access.cluster.get("insecure-skip-tls-verify", False), bool):
        return Problem(
            f"{source}: `insecure-skip-tls-verify` of {whose} is neither true nor false.",
            "Write it without quotes, or leave it out: certificates are verified then.",
        )
    server = without_userinfo(access.cluster["server"])
    if not is_http_url(server):
        return Problem(f"{source}: `server` of {whose} is not a URL.", "Write https://HOST:PORT.")
    if access.user and urlsplit(server).scheme == "http" and not is_loopback(server):
        return Problem(
            f"{source}: the credentials of {whose} would go to its `server` over http://, for all on the way to read.",
            "Write https://. Where a proxy with credentials of its own answers there (`kubectl proxy`), give the "
            "context no user.",
        )
    if any(access.user.get(name) for name in _IMPERSONATION):
        return Problem(
            f"{source}: the user of context “{access.context}” acts as another one (`as`), which is not supported.",
            "Give the pipeline an account of its own, with the rights that it needs.",
        )
    for part in (access.cluster, access.user):
        for name in _FILES:
            path = part.get(name)
            if isinstance(path, str) and path and not part.get(f"{name}-data") and not _is_file(path):
                shown = "" if name in _SECRET_FILES or "\n" in path else f" File does not exist: {path}."
                return Problem(
                    f"{source}: `{name}` of context “{access.context}” must be the path of a file, and is not.{shown}",
                    "Pass a kubeconfig with its certificates inside: `kubectl config view --raw --minify --flatten`; "
                    f"what `{name}` holds stands in `{'token' if name == 'tokenFile' else f'{name}-data'}` then.",
                )
    return None


def _absolute(found: Any, folder: str) -> Mapping[str, Any]:
    """The inner part of an item, without what is empty in it.

    Its paths are made absolute: they are relative to the file that they stand in.
    """
    pairs = found.items() if isinstance(found, Mapping) else ()
    inner = {name: value for name, value in pairs if value is not None and value != ""}
    for name in _FILES:
        if isinstance(inner.get(name), str) and folder:
            inner[name] = os.path.join(folder, inner[name])
    return inner


def _nearest_first(name: str, known: Mapping[str, Any]) -> list[str]:
    return sorted(known, key=lambda other: -difflib.SequenceMatcher(None, name, other).ratio())
