"""What members hold, and how what is given is read: each member once, none that is not named, none quoted back."""

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from identity.api.problems import problem
from identity.models import Client, Group
from identity.models.client import OWN_PAGES
from mfa.api.admin.entrance import Refused
from mfa.api.admin.paging import MOST, USUAL


@extend_schema_field(OpenApiTypes.STR)
class TextField(serializers.CharField):
    """Text as it is: not made of a number or a truth."""

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_field(OpenApiTypes.STR)
class WordField(serializers.ChoiceField):
    """One of some words. A refusal, and the documentation, name what may be chosen."""

    def __init__(self, words: Iterable[str], **kwargs: Any) -> None:
        one_of = list(words)
        self.sentence = f"This is one of {', '.join(filter(None, one_of))}."
        kwargs["help_text"] = " ".join(filter(None, (kwargs.get("help_text"), self.sentence)))
        super().__init__(choices=one_of, **kwargs)
        self.error_messages["invalid_choice"] = self.sentence

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid_choice")
        return str(super().to_internal_value(data))


class WordsField(serializers.ListField):
    """Some words, each once, in the order given."""

    def __init__(self, words: Iterable[str], **kwargs: Any) -> None:
        child = WordField(words)
        kwargs["help_text"] = " ".join(
            filter(None, (kwargs.get("help_text"), child.sentence.replace("This is one of", "Any of")))
        )
        super().__init__(child=child, **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        return list(dict.fromkeys(super().to_internal_value(data)))


class _NamedRows(serializers.ListField):
    """Rows by the names that the provisioning file knows them by."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=TextField(), **kwargs)

    def named(self, names: list[str]) -> dict[str, Any]:
        raise NotImplementedError

    def to_internal_value(self, data: Any) -> list[Any]:
        names = list(dict.fromkeys(super().to_internal_value(data)))
        found = self.named(names)
        if len(found) < len(names):
            raise serializers.ValidationError("Some of these names are nobody's.")
        return list(found.values())


class GroupsField(_NamedRows):
    """Groups by name."""

    def named(self, names: list[str]) -> dict[str, Any]:
        return {group.name: group for group in Group.objects.filter(name__in=names)}

    def to_representation(self, data: Any) -> list[str]:
        return sorted(group.name for group in data.all())


class ClientsField(_NamedRows):
    """Clients by their `client_id`."""

    def named(self, names: list[str]) -> dict[str, Any]:
        found = Client.objects.filter(client_id__in=names).exclude(client_id=OWN_PAGES)
        return {client.client_id: client for client in found}

    def to_representation(self, data: Any) -> list[str]:
        return sorted(client.client_id for client in data.all())


class PageQuery(serializers.Serializer[Any]):
    """What every list takes."""

    cursor = TextField(max_length=1024, default="", allow_blank=True, help_text="`next_cursor` of the page before.")
    limit = serializers.IntegerField(min_value=1, max_value=MOST, default=USUAL, help_text="Rows of a page, at most.")


def read(taken: type[serializers.Serializer[Any]], given: Mapping[str, object], **how: Any) -> dict[str, Any]:
    """What `given` says, or Refused with every fault; `how` goes to the serializer."""
    reader = taken(data=dict(given), **how)
    known = set(reader.fields)
    if not known.issuperset(given):
        refuse({"": f"Something here is not known. What may be given: {', '.join(sorted(known))}."})
    if not reader.is_valid():
        refuse(reader.errors)
    return dict(reader.validated_data)


def refuse(faults: Mapping[str, Any]) -> NoReturn:
    """400, and for each member at fault what it takes."""
    errors = [{"field": field, "detail": text} for field, found in faults.items() for text in _sentences(found)]
    raise Refused(problem(400, "Some members cannot be accepted.", extra={"errors": errors}))


def _sentences(found: Any) -> list[str]:
    if isinstance(found, Mapping):
        found = found.values()
    elif isinstance(found, str):
        return [str(found)]
    return list(dict.fromkeys(text for each in found for text in _sentences(each)))
