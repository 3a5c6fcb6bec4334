from __future__ import annotations
import json
import pytest
@pytest.fixture(scope="module")
def found(hub, run_javascript):
    weak = hub.new_token(kind="fineGrained", permissions=["user.billing.read"])
    return run_javascript("huggingface_client.mjs", hub.address, hub.token, weak)
def test_x(found):
    for k,v in found.items():
        print(k, json.dumps(v)[:700])
    assert 0
