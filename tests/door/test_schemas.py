"""The field tables agree with what really goes over the wire."""

import json

import jsonschema_rs
import pytest
from crossroads import Crossroads, ask, caller, model
from fitting import check_fits
from reception import Reception

from waypost.domain.problems import CODES, Refusal
from waypost.domain.waybill import Waybill
from waypost.door.explain import explained
from waypost.door.problems import Reader, problem_writer
from waypost.door.schemas import CHAT_FIELDS, SCHEMAS
from waypost.wire.dialects import ChatBody


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_table_is_a_good_schema_and_leads_somewhere(name):
    assert jsonschema_rs.meta.is_valid(SCHEMAS[name])
    with pytest.raises(jsonschema_rs.ValidationError):
        check_fits(name, 17)


def test_the_chat_table_names_every_field_that_is_read():
    assert set(ChatBody.__struct_fields__) <= CHAT_FIELDS.keys()


@pytest.mark.parametrize("code", CODES)
def test_every_problem_fits_its_table(code):
    _, _, body = problem_writer("waypost").whole(Refusal(code, "m", extra={"limit": 1}), "req_1")
    check_fits("Problem", json.loads(body))
    _, _, body = problem_writer("waypost").whole(Refusal(code, "m", extra={"limit": 1}), "req_1", Reader(hub=True))
    check_fits("HubProblem", json.loads(body))


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
    check_fits(name, run(Reception().get(path, token)).json())


def test_an_explanation_fits_its_table_with_and_without_a_plan():
    who, plan = caller(), Crossroads(model("alpha")).plan()
    planned = Waybill(1, 1, "req_0000000000001", caller=who, request=ask(), plan=plan)
    check_fits("Explained", explained(planned, {"would_succeed": True, "refused_by": None, "fix": None}))
    refused = {"would_succeed": False, "refused_by": {"code": "scope_missing", "status": 403}, "fix": "Ask."}
    check_fits("Explained", explained(Waybill(1, 1, "req_0000000000001", caller=who), refused))
