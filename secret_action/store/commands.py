"""AWS CLI commands that a person can run to undo a write by hand. None holds a value, or puts one on a command line."""

from __future__ import annotations

import shlex


def delete(path: str, region: str) -> str:
    """Removes a parameter."""
    return f"aws ssm delete-parameter --region {shlex.quote(region)} --name {shlex.quote(path)}"


def put_back(path: str, version: int, region: str, key_id: str, tier: str) -> str:
    """Writes an older version on top, byte for byte: the value goes through a pipe. Key and tier where not empty."""
    where = f"--region {shlex.quote(region)}"
    options = "".join(
        f" {flag} {shlex.quote(value)}" for flag, value in (("--key-id", key_id), ("--tier", tier)) if value
    )
    return (
        f"aws ssm get-parameter {where} --name {shlex.quote(f'{path}:{version}')} --with-decryption --output json "
        "--query 'Parameter.{Name:Name,Value:Value,Type:Type}' "
        f"| aws ssm put-parameter {where} --overwrite{options} --cli-input-json file:///dev/stdin"
    )


def history(path: str, region: str) -> str:
    """Shows who wrote which version, without the values."""
    return (
        f"aws ssm get-parameter-history --region {shlex.quote(region)} --name {shlex.quote(path)} "
        "--query 'Parameters[].[Version,LastModifiedDate,LastModifiedUser]' --output table"
    )
