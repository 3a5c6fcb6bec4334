"""The field tables agree with what really goes over the wire."""

import json

import jsonschema_rs
import pytest
from reception import Reception

from waypost.domain.problems import CODES, Refusal
from waypost.door.problems import problem_writer
from waypost.door.schemas import CHAT_FIELDS, SCHEMAS, named
from waypost.wire.dialects import ChatBody


def validator(name):
    return jsonschema_rs.Draft202012Validator({"components": {"schemas": SCHEMAS}, **named(name)})


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_table_is_a_good_schema_and_leads_somewhere(name):
    assert jsonschema_rs.meta.is_valid(SCHEMAS[name])
    with pytest.raises(jsonschema_rs.ValidationError):
        validator(name).validate(17)


def test_the_chat_table_names_every_field_that_is_read():
    assert set(ChatBody.__struct_fields__) <= CHAT_FIELDS.keys()


@pytest.mark.parametrize("code", CODES)
def test_every_problem_fits_its_table(code):
    _, _, body = problem_writer("waypost").whole(Refusal(code, "m", extra={"limit": 1}), "req_1")
    validator("Problem").validate(json.loads(body))


@pytest.mark.parametrize(
    ("path", "token", "name"),
    [
        ("/v1/models", None, "ModelList"),
        ("/v1/models", "anna", "ModelList"),
        ("/v1/models/acme/one", "anna", "Model"),
        ("/api/whoami-v2", "anna", "WhoAmI"),
        ("/api/models?expand=inferenceProviderMapping", None, "HubModelList"),
        ("/api/models/acme/one?expand=inferenceProviderMapping", "anna", "HubModel"),
        ("/api/tasks", None, "HubTasks"),
    ],
)
def test_answers_fit_their_tables(run, path, token, name):
    validator(name).validate(run(Reception().get(path, token)).json())
