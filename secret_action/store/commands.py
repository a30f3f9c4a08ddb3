"""AWS CLI commands that a person can run to undo a write by hand. None holds a value, or puts one on a command line."""

from __future__ import annotations

import shlex


def delete(path: str, region: str) -> str:
    """Removes a parameter."""
    return f"aws ssm delete-parameter --region {shlex.quote(region)} --name {shlex.quote(path)}"


def put_back(path: str, version: int, region: str, *, type: str, key_id: str, tier: str) -> str:
    """Writes an older version on top, byte for byte. Key and tier are named where they are not empty.

    The value goes through a pipe, without the newline that the CLI ends its output with. `--value` takes it from there:
    the CLI reads a `--cli-input-json` twice, and finds a pipe empty the second time.
    """
    where = f"--region {shlex.quote(region)}"
    options = "".join(
        f" {flag} {shlex.quote(value)}"
        for flag, value in (("--type", type), ("--key-id", key_id), ("--tier", tier))
        if value
    )
    return (
        f"aws ssm get-parameter {where} --name {shlex.quote(f'{path}:{version}')} --with-decryption "
        "--query Parameter.Value --output text | perl -pe 'chomp if eof' "
        f"| aws ssm put-parameter {where} --name {shlex.quote(path)} --overwrite{options} --value file:///dev/stdin"
    )


def uncover(path: str, version: int, region: str, *, type: str, key_id: str, tier: str) -> str:
    """Puts back what somebody else wrote just before our `version`. Version 1 is ours alone: they had deleted it."""
    if version == 1:
        return delete(path, region)
    return put_back(path, version - 1, region, type=type, key_id=key_id, tier=tier)


def history(path: str, region: str) -> str:
    """Shows who wrote which version, without the values."""
    return (
        f"aws ssm get-parameter-history --region {shlex.quote(region)} --name {shlex.quote(path)} "
        "--query 'Parameters[].[Version,LastModifiedDate,LastModifiedUser]' --output table"
    )
