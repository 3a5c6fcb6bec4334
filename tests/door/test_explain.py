"""Explaining: the door hands on body and headers, and a refusal inside is an answer."""

from reception import Reception

from waypost.domain.problems import Refusal
from waypost.door.explain import Explain


class House:
    """Says what it was asked."""

    async def explain(self, body, headers):
        if b"broken" in body:
            raise Refusal("token_revoked", "This token was revoked.")
        if b"nothing" in body:
            refused = {
                "code": "invalid_request",
                "message": "`messages` must be a list.",
                "why": "w",
                "param": "messages",
            }
            return {"id": "req_plan", "fix": "Send a list.", "refused_by": refused}
        return {
            "id": "req_plan",
            "outcome": "explained",
            "asked": body.decode(),
            "bill_to": headers[b"x-hf-bill-to"].decode(),
        }


def test_the_answer_is_the_waybill_under_its_own_request_id(run):
    reception = Reception(**Explain(House()).handlers())
    answer = run(
        reception.ask("POST", "/v1/explain", "ines", content=b'{"model":"x"}', headers={"X-HF-Bill-To": "acme"})
    )
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] == "req_plan"
    assert answer.json() == {"id": "req_plan", "outcome": "explained", "asked": '{"model":"x"}', "bill_to": "acme"}


def test_a_caller_nobody_knows_is_refused_by_the_gate_and_by_the_house(run):
    reception = Reception(**Explain(House()).handlers())
    assert run(reception.ask("POST", "/v1/explain", content=b"{}")).status_code == 401
    answer = run(reception.ask("POST", "/v1/explain", "ines", content=b"broken"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_revoked")


def test_a_body_that_is_no_conversation_is_refused_rather_than_explained(run):
    reception = Reception(**Explain(House()).handlers())
    answer = run(reception.ask("POST", "/v1/explain", "ines", content=b"nothing"))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_request", "messages")
    assert (error["why"], error["fix"]) == ("w", "Send a list.")
