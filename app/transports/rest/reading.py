"""From the text of a request to the types that a route declares."""

from typing import Annotated, Any, TypeVar, get_args, get_origin

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ValidationError, ValidationInfo, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from app.domain.errors import InvalidInput
from app.domain.ids import DECIMAL, parse_id
from app.transports.rest.declaring import Body, Query

AnyModel = TypeVar("AnyModel", bound=BaseModel)
AnyQuery = TypeVar("AnyQuery", bound=Query)
AnyBody = TypeVar("AnyBody", bound=Body | None)

ID_SCHEMA = {"type": "string", "pattern": f"^{DECIMAL.pattern}$", "examples": ["123"]}


def name_of(info: ValidationInfo) -> str:
    """Return the name that a field has on the wire."""
    return to_camel(info.field_name or "")


def number(text: Any, info: ValidationInfo) -> int:
    """Return a number of the query string.

    Raises:
        InvalidInput: it is no whole number of at most ten characters.
    """
    name = name_of(info)
    if not (isinstance(text, str) and text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 10):
        raise InvalidInput(f"{name} must be a whole number.", field=name)
    return int(text)


def id_(text: Any, info: ValidationInfo) -> int:
    """Return an id.

    Raises:
        InvalidInput: it is no decimal id in a string.
    """
    name = name_of(info)
    if not isinstance(text, str):
        raise InvalidInput(f"{name} must be a decimal id in a string.", field=name)
    return parse_id(text, field=name)


def parts(text: Any) -> Any:
    """Return the parts of a list in the query string, which commas separate."""
    return tuple(text.split(",") if text else ()) if isinstance(text, str) else text


def sized(shortest: int, longest: int) -> WithJsonSchema:
    """Return how the document shows a text of so many characters; the rule itself is the domain's, which names it better."""
    return WithJsonSchema({"type": "string", "minLength": shortest, "maxLength": longest})


Number = Annotated[int, BeforeValidator(number), WithJsonSchema({"type": "integer"})]
Id = Annotated[int, BeforeValidator(id_), WithJsonSchema(ID_SCHEMA)]
Separated = BeforeValidator(parts)  # annotates a tuple


def read_query(request: web.Request, model: type[AnyQuery]) -> AnyQuery:
    """Return what the query string says; a list may also be given by repeating its name.

    Raises:
        InvalidInput: a value is not acceptable, or one that is no list is given twice.
    """
    given: dict[str, str] = {}
    for name, field in model.model_fields.items():
        alias = field.alias or name
        values = request.query.getall(alias, [])
        if len(values) > 1 and not is_list(field):
            raise InvalidInput(f"Give {alias} once.", field=alias)
        if values:
            given[alias] = ",".join(values)
    return validated(model, given)


def read_body(value: Any, model: type[AnyBody]) -> AnyBody:
    """Return what a JSON body says.

    Raises:
        InvalidInput: it is no object, or a value in it is not acceptable.
    """
    if not isinstance(value, dict):
        raise InvalidInput("The body must be a JSON object.")
    return validated(model, value)  # type: ignore[type-var]  # a route without a body reads none


def is_list(field: FieldInfo) -> bool:
    """Say whether a field holds more than one value."""
    return tuple in {get_origin(type_) for type_ in (field.annotation, *get_args(field.annotation))}


def validated(model: type[AnyModel], values: dict[str, Any]) -> AnyModel:
    """Return the model with these values.

    Raises:
        InvalidInput: one is not acceptable; the first of them is named.
    """
    try:
        return model.model_validate(values)
    except ValidationError as invalid:
        problem = invalid.errors(include_url=False, include_context=False, include_input=False)[0]
    field = str(problem["loc"][0]) if problem["loc"] else None
    message = "it is missing" if problem["type"] == "missing" else problem["msg"][:1].lower() + problem["msg"][1:]
    raise InvalidInput(f"{field or 'The request'}: {message}.", field=field)
