"""What a GitHub knows: Apps, their installations and tokens, repositories and their commits."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def make_app_key() -> tuple[str, str, str]:
    """A fresh App key: its private part as PKCS#1 (what GitHub hands out) and as PKCS#8, its public part."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def private(form: serialization.PrivateFormat) -> str:
        return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()

    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return (
        private(serialization.PrivateFormat.TraditionalOpenSSL),
        private(serialization.PrivateFormat.PKCS8),
        public.decode(),
    )


@dataclass(frozen=True)
class App:
    """A registered GitHub App; a JWT may name it by either id."""

    id: int
    client_id: str
    public_key_pem: str
    slug: str = "release-pipeline"


@dataclass
class Installation:
    """An App on one account: which repositories (names without owner; None for all) and which permissions."""

    app_id: int
    owner: str
    repositories: list[str] | None = None
    permissions: dict[str, str] = field(default_factory=lambda: {"contents": "read", "metadata": "read"})
    suspended: bool = False
    id: int = 50001


@dataclass(frozen=True)
class Commit:
    """What a ref points to: files by path, or a folder. `archive` (tar.gz) is served instead where given."""

    files: Mapping[str, bytes] | Path = field(default_factory=dict)
    sha: str = ""
    archive: bytes | None = None

    def __post_init__(self) -> None:
        if not self.sha:
            digest = hashlib.sha1(self.archive or b"")
            for path, content in self.contents():
                digest.update(f"{path}\0{len(content)}\0".encode() + content)
            object.__setattr__(self, "sha", digest.hexdigest())

    def contents(self) -> list[tuple[str, bytes]]:
        """The files, sorted by path."""
        if not isinstance(self.files, Path):
            return sorted(self.files.items())
        return sorted(
            (path.relative_to(self.files).as_posix(), path.read_bytes())
            for path in self.files.rglob("*")
            if path.is_file() and ".git" not in path.parts
        )


@dataclass
class Repository:
    """A private repository; `refs` are its branches and tags, `saml` makes its organization ask for SSO."""

    full_name: str
    refs: dict[str, Commit]
    default_branch: str = "main"
    saml: bool = False

    @property
    def owner(self) -> str:
        return self.full_name.partition("/")[0]

    @property
    def name(self) -> str:
        return self.full_name.partition("/")[2]

    def find(self, ref: str) -> Commit | None:
        """The commit of a branch, a tag, a SHA or an unambiguous start of one (seven characters or more)."""
        for prefix in ("refs/heads/", "heads/", "refs/tags/", "tags/", ""):
            if ref.startswith(prefix) and ref.removeprefix(prefix) in self.refs:
                return self.refs[ref.removeprefix(prefix)]
        found = {c.sha: c for c in self.refs.values() if c.sha == ref or (len(ref) >= 7 and c.sha.startswith(ref))}
        return next(iter(found.values())) if len(found) == 1 else None


@dataclass
class IssuedToken:
    """An installation token; `repositories` are names without owner."""

    value: str
    installation: Installation
    repositories: list[str]
    permissions: dict[str, str]
    expires_at: float
    revoked: bool = False


def packed(repository: Repository, commit: Commit) -> bytes:
    """The commit as GitHub packs it: one top folder, and the SHA as the comment of a global PAX header."""
    folder = f"{repository.owner}-{repository.name}-{commit.sha[:7]}"
    archived = io.BytesIO()
    with tarfile.open(
        fileobj=archived, mode="w:gz", format=tarfile.PAX_FORMAT, pax_headers={"comment": commit.sha}
    ) as archive:
        written = set[PurePosixPath]()
        for path, content in commit.contents():
            name = PurePosixPath(folder, path)
            for parent in reversed(name.parents):
                if parent not in written and parent != PurePosixPath("."):
                    written.add(parent)
                    entry = tarfile.TarInfo(str(parent))
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o775
                    archive.addfile(entry)
            member = tarfile.TarInfo(str(name))
            member.size, member.mode = len(content), 0o664
            archive.addfile(member, io.BytesIO(content))
    return archived.getvalue()
