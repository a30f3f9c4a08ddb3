"""What looks like a secret value in a text. Pure; says what kind it is, and never repeats it."""

from __future__ import annotations

import math
import re
from collections import Counter

_FORMATS = (
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")),
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{60,})")),
    ("a GitLab token", re.compile(r"\bglpat-[\w-]{20,}")),
    ("a Slack token", re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bxapp-[0-9]-[A-Za-z0-9-]{20,}")),
    ("a Slack webhook", re.compile(r"hooks\.slack\.com/services/T\w{1,32}/B\w{1,32}/\w{20,}")),
    ("a Stripe key", re.compile(r"\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}|\bwhsec_[A-Za-z0-9+/]{24,}")),
    ("an Anthropic key", re.compile(r"\bsk-ant-[\w-]{20,}")),
    ("an OpenAI key", re.compile(r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{0,64}?[A-Za-z0-9]{20,}")),
    ("a Google API key", re.compile(r"\bAIza[\w-]{35}(?![\w-])")),
    ("a Google OAuth secret", re.compile(r"\bGOCSPX-[\w-]{20,}")),
    ("a SendGrid key", re.compile(r"\bSG\.[\w-]{16,64}\.[\w-]{16,}")),
    ("an npm token", re.compile(r"\bnpm_[A-Za-z0-9]{36}\b")),
    ("a Hugging Face token", re.compile(r"\bhf_[A-Za-z0-9]{30,}")),
    ("a Vault token", re.compile(r"\bhvs\.[\w-]{20,}")),
    ("a JSON Web Token", re.compile(r"\beyJ[\w-]{10,500}\.eyJ[\w-]{10,4000}\.[\w-]{10,}")),
)
_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"]{0,128}:([^\s/@'\"]{1,256})@[^\s'\"]", re.IGNORECASE)

_PASSWORD = re.compile(r"(?:^|_)(?:PASSWORDS?|PASSWD|PASSPHRASE|PWD)$")
_NAME = re.compile(
    r"(?:^|_)(?:PASSWORDS?|PASSWD|PASSPHRASE|PWD|SECRETS?|TOKENS?|CREDENTIALS?|APIKEY|(?:API|ACCESS|PRIVATE|SECRET|SIGNING"
    r"|ENCRYPTION|MASTER|ACCOUNT|LICEN[CS]E|AUTH)_?KEYS?)$"
)
_NO_VALUE = re.compile(
    r".{0,5}|[0-9.]+|true|false|none|null|(?:file:|\.{0,2}/).*|\*+|x+"
    # Where a value is kept, or the key that encrypts: `arn:aws:kms:…`, `alias/shop`, `ssm:/zerotouch/prod/shop/token`.
    r"|arn:[\w-]+:[\w-]+:.*|alias/[\w/-]+|[a-z][a-z0-9+.-]{1,20}:/{1,3}[\w.-]+(?:/[\w.-]*)*(?:[#?].*)?"
    r"|(?:a|an|my|our|the|some|your|test|dummy|fake|sample|insert|replace|change|todo|placeholder|redacted|secret|password"
    r"|passwd|pass|pwd|user|username|token|key|default|postgres|admin|root|guest)(?:[-_ .].*)?"
    r"|changeme.*|.*[-_](?:here|placeholder|me)|.*(?:example|redacted).*",
    re.IGNORECASE | re.DOTALL,
)
_VARIABLE = re.compile(
    r"\$\{|\$\(|\$[A-Za-z_]|\{\{|^\{.*\}$|<[^<>]+>|%[A-Za-z_]+%|^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$|^ENC\[|^vault:|^ref\+"
)
_NAMES = re.compile(r"[A-Za-z]+(?:[-_. ][A-Za-z0-9]+)*|https?://\S+|[\w.-]+\.(?:json|ya?ml|pem|txt|key|crt|svc|local)")
_LONGEST = 512


def looks_like(text: str) -> str:
    """What kind of credential a text holds, by its form alone (`a GitHub token`); empty where it holds none."""
    for kind, pattern in _FORMATS:
        match = pattern.search(text)
        if match and (kind == "a private key" or _is_random(match[0])):
            return kind
    return next(("a URL with a password" for match in _URL.finditer(text) if _is_value(match[1])), "")


def names_credential(name: str) -> bool:
    """True for names of variables that hold credentials: `DB_PASSWORD`, `api-key`; not `JWT_PUBLIC_KEY`."""
    return _NAME.search(_snake(name)) is not None and "PUBLIC" not in _snake(name)


def is_value(name: str, text: str) -> bool:
    """True where what stands under such a name is no placeholder, variable, path, or the name or place of something."""
    text = text.strip()[:_LONGEST]
    if not _is_value(text):
        return False
    # One word may be a password; behind another name it is more likely a kind or a Secret.
    return _NAMES.fullmatch(text) is None or (text.isalnum() and _PASSWORD.search(_snake(name)) is not None)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[-.]", "_", name[:_LONGEST]).upper()


def _is_value(text: str) -> bool:
    return _NO_VALUE.fullmatch(text) is None and _VARIABLE.search(text) is None


def _is_random(text: str) -> bool:
    """Not `AKIAXXXXXXXXXXXXXXXX` and the like: at least 2.5 bits for each character."""
    counts = Counter(text[:_LONGEST])
    length = counts.total()
    entropy = -sum(count / length * math.log2(count / length) for count in counts.values())
    return entropy >= 2.5 and "EXAMPLE" not in text.upper()
