"""A first conversation with the official `openai` package. Needs WAYPOST_TOKEN."""

import os

from openai import BadRequestError, OpenAI

client = OpenAI(base_url=os.environ.get("WAYPOST_URL", "http://127.0.0.1:8080/v1"), api_key=os.environ["WAYPOST_TOKEN"])
model = os.environ.get("WAYPOST_MODEL", "openai/gpt-oss-120b")
question = [{"role": "user", "content": "What is a waybill?"}]

print("== the models")
print(", ".join(entry.id for entry in client.models.list()))

print("== a question, to whoever is fastest")
reply = client.chat.completions.with_raw_response.create(model=f"{model}:fastest", messages=question, max_tokens=40)
print(reply.parse().choices[0].message.content)
print(f"   answered by {reply.headers['x-inference-provider']}, waybill {reply.headers['x-request-id']}")

print("== the same as a stream, to whoever is cheapest")
stream = client.chat.completions.create(model=f"{model}:cheapest", messages=question, max_tokens=40, stream=True)
for chunk in stream:
    print(chunk.choices[0].delta.content or "", end="", flush=True)
print()

print("== an error says the rule, the evidence and the fix")
try:
    client.chat.completions.create(model=f"{model}:fastset", messages=question)
except BadRequestError as error:
    print(f"{error.code}: {error.body['message']}\n   why: {error.body['why']}\n   fix: {error.body['fix']}")
