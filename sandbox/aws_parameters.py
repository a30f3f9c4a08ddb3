"""Parameter Store in small: moto keeps the parameters, the checks that moto does not make stand in front.

What moto lets pass and AWS does not: sizes, tiers, names, nested references, a new parameter without a type, the
account's quota, too many tags, limits of a call.
What moto answers otherwise: an undecrypted value, the key after an overwrite without one, order and paging.
"""

import base64
import hashlib
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moto.ssm.models import Parameter

ACCOUNT = "123456789012"
DEFAULT_KEY = "alias/aws/ssm"

_SIZES = {"Standard": 4096, "Advanced": 8192}  # bytes of a value
_NAME_LENGTH = 1011  # characters, the ARN's prefix included
_NAME_LEVELS = 15
_TAGS = 50

Parameters = Mapping[str, Any]
"""A call's parameters, or its answer, as AWS's JSON has them."""


class AwsError(Exception):
    """A refusal, as AWS names it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class ParameterStore:
    """The parameters of one region; safe to use from several threads."""

    def __init__(
        self,
        region: str,
        *,
        recreate_wait: float = 0.0,
        quota: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # Imported here because moto takes long to import. The backend is one of our own, since moto's usual
        # ones are global to the process.
        from moto.ssm.models import SimpleSystemManagerBackend

        # moto types optional arguments as if they were required.
        self._moto: Any = SimpleSystemManagerBackend(region, ACCOUNT)
        self._region = region
        self._recreate_wait = recreate_wait
        self._quota = quota
        self._clock = clock
        self._deleted: dict[str, float] = {}
        self._lock = threading.Lock()  # moto's backend is not made for threads
        self._operations: dict[str, Callable[[Parameters], Parameters]] = {
            "PutParameter": self._put_parameter,
            "GetParameter": self._get_parameter,
            "GetParameters": self._get_parameters,
            "GetParametersByPath": self._get_parameters_by_path,
            "GetParameterHistory": self._get_parameter_history,
            "DescribeParameters": self._describe_parameters,
            "DeleteParameter": self._delete_parameter,
            "DeleteParameters": self._delete_parameters,
            "AddTagsToResource": self._add_tags,
            "RemoveTagsFromResource": self._remove_tags,
            "ListTagsForResource": self._list_tags,
            "LabelParameterVersion": self._label_parameter_version,
        }

    def call(self, operation: str, asked: Parameters) -> Parameters:
        """Carries out one operation of the API; raises AwsError where AWS would refuse."""
        from moto.core.exceptions import ServiceException

        if operation not in self._operations:
            raise AwsError("UnknownOperationException", "")
        try:
            with self._lock:
                return self._operations[operation](asked)
        except ServiceException as error:
            raise AwsError(error.code, error.message) from None

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """By name, each one's `value`, `type`, `version`, `key_id`, `tier`, `description` and `tags`."""
        with self._lock:
            # moto leaves an empty entry for a name that it was only asked for.
            latest = [versions[-1] for versions in self._moto._parameters.values() if versions]
            return {
                parameter.name: {
                    "value": parameter.decrypt(parameter.value),
                    "type": parameter.parameter_type,
                    "version": parameter.version,
                    "key_id": parameter.keyid,
                    "tier": parameter.tier,
                    "description": parameter.description,
                    "tags": dict(self._moto.list_tags_for_resource("Parameter", parameter.name)),
                }
                for parameter in sorted(latest, key=lambda parameter: str(parameter.name))
            }

    def _put_parameter(self, asked: Parameters) -> Parameters:
        name, value = asked["Name"], asked["Value"]
        _check_name(name, self._region)
        if re.search(r"\{\{.*?\}\}", value, re.DOTALL):
            raise _invalid('Parameter value can\'t nest another parameter. Do not use "{{}}" in the value.')
        _check_tags({tag["Key"]: tag["Value"] for tag in asked.get("Tags") or ()})
        overwrite = bool(asked.get("Overwrite"))
        existing = self._moto.get_parameter(name)
        if not existing and not asked.get("Type"):
            # moto lets this pass when Overwrite is set.
            raise _invalid("A parameter type is required when you create a parameter.")
        if not existing and self._clock() - self._deleted.get(name, 0.0) < self._recreate_wait:
            raise AwsError("ParameterAlreadyExists", "The parameter already exists.")
        tier = None
        if not existing or overwrite:
            tier = _tier(asked.get("Tier"), existing.tier if existing else None, len(value.encode()))
            if not existing and tier == "Standard" and self._standard_ones() >= self._quota:
                raise AwsError(
                    "ParameterLimitExceeded",
                    "You have reached the maximum number of standard parameters for this AWS account and Region "
                    f"({self._quota}). To create more parameters, use the advanced-parameter tier.",
                )
        parameter_type = asked.get("Type") or existing.parameter_type
        key = asked.get("KeyId")
        if parameter_type == "SecureString" and not key:
            # An overwrite without a key moves the parameter to the default one; moto would keep its key.
            key = DEFAULT_KEY
        parameter = self._moto.put_parameter(
            name,
            asked.get("Description"),
            value,
            parameter_type,
            asked.get("AllowedPattern"),
            key,
            overwrite,
            asked.get("Tags"),
            asked.get("DataType", "text"),
            tier=tier,
            policies=asked.get("Policies"),
        )
        return {"Version": parameter.version, "Tier": parameter.tier}

    def _get_parameter(self, asked: Parameters) -> Parameters:
        found = self._moto.get_parameter(asked["Name"])
        if not found:
            raise AwsError("ParameterNotFound", "")
        return {"Parameter": self._shown(found, asked)}

    def _get_parameters(self, asked: Parameters) -> Parameters:
        found = self._moto.get_parameters(asked["Names"])
        return {
            "Parameters": [self._shown(found[name], asked) for name in sorted(found)],
            "InvalidParameters": sorted(set(asked["Names"]) - set(found)),
        }

    def _get_parameters_by_path(self, asked: Parameters) -> Parameters:
        found, token = self._moto.get_parameters_by_path(
            asked["Path"],
            bool(asked.get("Recursive")),
            asked.get("ParameterFilters"),
            next_token=asked.get("NextToken"),
            max_results=_page_size(asked, limit=10),
        )
        return {"Parameters": [self._shown(parameter, asked) for parameter in found], **_next(token)}

    def _get_parameter_history(self, asked: Parameters) -> Parameters:
        size = _page_size(asked, limit=50)
        found, token = self._moto.get_parameter_history(asked["Name"], asked.get("NextToken"), size)
        if not found:
            raise AwsError("ParameterNotFound", "")
        decrypted = bool(asked.get("WithDecryption"))
        shown = [{**_described(p), "Value": _value(p, decrypted), "Labels": p.labels} for p in found]
        return {"Parameters": shown, **_next(token)}

    def _describe_parameters(self, asked: Parameters) -> Parameters:
        size = _page_size(asked, limit=50)
        # moto's own paging ignores MaxResults.
        found = self._moto.describe_parameters(asked.get("Filters"), asked.get("ParameterFilters"))
        start = int(asked.get("NextToken") or 0)
        end = start + size
        described = [_described(parameter) for parameter in found[start:end]]
        return {"Parameters": described, **_next(str(end) if end < len(found) else None)}

    def _delete_parameter(self, asked: Parameters) -> Parameters:
        self._moto.delete_parameter(asked["Name"])
        self._deleted[asked["Name"]] = self._clock()
        return {}

    def _delete_parameters(self, asked: Parameters) -> Parameters:
        names = asked["Names"]
        if len(names) > 10:
            raise _invalid(
                f"1 validation error detected: Value '[{', '.join(names)}]' at 'names' failed to satisfy "
                "constraint: Member must have length less than or equal to 10"
            )
        deleted = self._moto.delete_parameters(names)
        self._deleted |= dict.fromkeys(deleted, self._clock())
        return {"DeletedParameters": deleted, "InvalidParameters": sorted(set(names) - set(deleted))}

    def _standard_ones(self) -> int:
        return sum(1 for versions in self._moto._parameters.values() if versions and versions[-1].tier == "Standard")

    def _add_tags(self, asked: Parameters) -> Parameters:
        tags = {tag["Key"]: tag["Value"] for tag in asked["Tags"]}
        _check_tags({**self._moto.list_tags_for_resource(asked["ResourceType"], asked["ResourceId"]), **tags})
        self._moto.add_tags_to_resource(asked["ResourceType"], asked["ResourceId"], tags)
        return {}

    def _remove_tags(self, asked: Parameters) -> Parameters:
        self._moto.remove_tags_from_resource(asked["ResourceType"], asked["ResourceId"], asked["TagKeys"])
        return {}

    def _list_tags(self, asked: Parameters) -> Parameters:
        tags = self._moto.list_tags_for_resource(asked["ResourceType"], asked["ResourceId"])
        return {"TagList": [{"Key": key, "Value": tags[key]} for key in sorted(tags)]}

    def _label_parameter_version(self, asked: Parameters) -> Parameters:
        invalid, version = self._moto.label_parameter_version(
            asked["Name"], asked.get("ParameterVersion"), asked["Labels"]
        )
        return {"InvalidLabels": invalid, "ParameterVersion": version}

    def _shown(self, parameter: "Parameter", asked: Parameters) -> dict[str, Any]:
        return {
            "Name": parameter.name,
            "Type": parameter.parameter_type,
            "Value": _value(parameter, bool(asked.get("WithDecryption"))),
            "Version": parameter.version,
            "LastModifiedDate": parameter.last_modified_date.timestamp(),
            "ARN": f"arn:aws:ssm:{self._region}:{ACCOUNT}:parameter/{parameter.name.lstrip('/')}",
            "DataType": parameter.data_type,
        }


def _described(parameter: "Parameter") -> dict[str, Any]:
    optional = {
        "Description": parameter.description,
        "KeyId": parameter.keyid,
        "AllowedPattern": parameter.allowed_pattern,
    }
    return {
        "Name": parameter.name,
        "Type": parameter.parameter_type,
        "Version": parameter.version,
        "LastModifiedDate": parameter.last_modified_date.timestamp(),
        "LastModifiedUser": f"arn:aws:sts::{ACCOUNT}:assumed-role/release/session",
        "Tier": parameter.tier,
        "DataType": parameter.data_type,
        "Policies": [],
        **{name: value for name, value in optional.items() if value},
    }


def _value(parameter: "Parameter", decrypted: bool) -> str:
    if decrypted or parameter.parameter_type != "SecureString":
        return str(parameter.decrypt(parameter.value))
    # moto would answer `kms:<key>:<the plain value>`.
    return "AQICAH" + base64.b64encode(hashlib.sha512(parameter.value.encode()).digest()).decode()


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def _check_name(name: str, region: str) -> None:
    """Refuses the names that AWS refuses and moto takes."""
    if "/" in name and not name.startswith("/"):
        raise _invalid("Parameter name must be a fully qualified name.")
    if not re.fullmatch(r"/?[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+)*", name):
        raise _invalid(
            'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). If formed as a path, it can '
            "consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, "
            "numbers and the following 3 symbols .-_"
        )
    if name.count("/") > _NAME_LEVELS:
        message = f"A hierarchy can have a maximum of {_NAME_LEVELS} levels."
        raise AwsError("HierarchyLevelLimitExceededException", message)
    if len(f"arn:aws:ssm:{region}:{ACCOUNT}:parameter/{name.lstrip('/')}") > _NAME_LENGTH:
        # AWS's own words for this are not known.
        raise _invalid(f"The parameter's ARN is longer than {_NAME_LENGTH} characters.")


def _check_tags(tags: Mapping[str, str]) -> None:
    """Refuses the tags that AWS refuses and moto takes."""
    if len(tags) > _TAGS:
        raise AwsError("TooManyTagsError", "")
    for key, text in tags.items():
        if not 0 < len(key) <= 128 or len(text) > 256 or key.lower().startswith("aws:"):
            raise _invalid("1 validation error detected: a tag failed to satisfy constraint")
        if not re.fullmatch(r"[\w\s.:/=+\-@]*", key + text):
            raise _invalid("1 validation error detected: a tag failed to satisfy regular expression pattern")


def _tier(asked: str | None, existing: str | None, size: int) -> str:
    """The tier that a value of so many bytes is stored in; raises what AWS refuses."""
    if asked == "Intelligent-Tiering":
        asked = "Advanced" if existing == "Advanced" or size > _SIZES["Standard"] else "Standard"
    tier = asked or existing or "Standard"
    if tier not in _SIZES:
        raise _invalid(
            f"1 validation error detected: Value '{tier}' at 'tier' failed to satisfy constraint: Member "
            "must satisfy enum value set: [Standard, Advanced, Intelligent-Tiering]"
        )
    if tier == "Standard" and existing == "Advanced":
        raise _invalid(
            "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the "
            "advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the "
            "advanced parameter and recreate it as a standard parameter."
        )
    if size > _SIZES[tier]:
        message = f"{tier} tier parameters support a maximum parameter value of {_SIZES[tier]} characters."
        if tier == "Standard":
            message += (
                " To create a larger parameter value, upgrade the parameter to use the advanced-parameter "
                "tier. For more information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/"
                "parameter-store-advanced-parameters.html"
            )
        raise _invalid(message)
    return tier


def _page_size(asked: Parameters, *, limit: int) -> int:
    size = int(asked.get("MaxResults") or limit)
    if size > limit:
        raise _invalid(
            f"1 validation error detected: Value '{size}' at 'maxResults' failed to satisfy constraint: "
            f"Member must have value less than or equal to {limit}"
        )
    return size


def _next(token: str | None) -> dict[str, str]:
    return {"NextToken": token} if token else {}
