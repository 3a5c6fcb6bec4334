// The official `openai` package for JavaScript against a running Waypost: node openai_client.mjs API TOKEN WEAK_TOKEN

import OpenAI from "openai";

import { step, tell } from "./findings.mjs";

const [api, token, weakToken] = process.argv.slice(2);
const connect = (apiKey) => new OpenAI({ baseURL: api, apiKey, maxRetries: 0 });
const client = connect(token);
const chat = client.chat.completions;
const MODEL = "openai/gpt-oss-120b";
const PARROT = "practice/parrot:practice-swift";
const say = (content) => [{ role: "user", content }];
const OK = say("Reply with exactly OK");
const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};
const PARCEL = {
  type: "object",
  properties: { sender: { type: "string" }, grams: { type: "integer" } },
  required: ["sender", "grams"],
  additionalProperties: false,
};

await step("models", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  return ids;
});
await step("model", () => client.models.retrieve(MODEL));
await step("no such model", () => client.models.retrieve("openai/gpt-oss-120"));

await step("chat", async () => {
  const { data, response } = await chat.create({ model: `${MODEL}:fastest`, messages: OK, max_tokens: 8 }).withResponse();
  const headers = Object.fromEntries(response.headers);
  return { data, headers, requestId: data._request_id };
});
await step("stream", async () => {
  const chunks = [];
  for await (const chunk of await chat.create({ model: PARROT, messages: say("Count to 5"), stream: true })) chunks.push(chunk);
  return chunks;
});
await step("stream with usage", async () => {
  const chunks = [];
  const ask = { model: PARROT, messages: say("Count to 5"), stream: true, stream_options: { include_usage: true } };
  for await (const chunk of await chat.create(ask)) chunks.push(chunk);
  return chunks;
});
await step("left", async () => {
  const ask = { model: "practice/parrot:practice-thrifty", messages: say("Write 500 words about rain"), stream: true };
  const { data, response } = await chat.create(ask).withResponse();
  for await (const _ of data) break; // leaving the loop closes the connection
  return response.headers.get("x-request-id");
});

await step("tools", async () => {
  const messages = say("What is the weather in Paris?");
  const asked = await chat.create({ model: PARROT, messages, tools: [WEATHER] });
  const call = asked.choices[0].message.tool_calls[0];
  messages.push(asked.choices[0].message, { role: "tool", tool_call_id: call.id, content: "18 degrees" });
  const told = await chat.create({ model: PARROT, messages, tools: [WEATHER] });
  return { call, reason: asked.choices[0].finish_reason, told: told.choices[0].message.content };
});
await step("streamed tools", async () => {
  const stream = chat.stream({ model: PARROT, messages: say("What is the weather in Paris and in Oslo?"), tools: [WEATHER] });
  let pieces = 0;
  stream.on("tool_calls.function.arguments.delta", () => pieces++);
  return { whole: await stream.finalChatCompletion(), pieces };
});
await step("structured", async () => {
  const response_format = { type: "json_schema", json_schema: { name: "parcel", strict: true, schema: PARCEL } };
  const messages = say("A parcel from Ada of 250 grams");
  const parsed = await chat.parse({ model: PARROT, messages, response_format });
  return JSON.parse(parsed.choices[0].message.content);
});
await step("images", async () => {
  const url = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=";
  const content = [{ type: "text", text: "What is this?" }, { type: "image_url", image_url: { url } }];
  return (await chat.create({ model: "practice/painter", messages: say(content) })).choices[0].message.content;
});
await step("thoughts", async () => {
  const completion = await chat.create({ model: PARROT, messages: OK, reasoning_effort: "minimal" });
  return { ...completion.choices[0].message, usage: completion.usage };
});
await step("choices", async () => (await chat.create({ model: PARROT, messages: say("Hello"), n: 2 })).choices.length);
await step("cut", async () => {
  return (await chat.create({ model: PARROT, messages: say("Count to 100"), max_completion_tokens: 3 })).choices[0];
});

const ask = (model, more = {}) => chat.create({ model, messages: OK, ...more });
await step("spoilt token", () => connect(`"${token}"`).chat.completions.create({ model: MODEL, messages: OK }));
await step("weak token", () => connect(weakToken).chat.completions.create({ model: MODEL, messages: OK }));
await step("unknown model", () => ask("openai/gpt-oss-12b"));
await step("unknown policy", () => ask(`${MODEL}:fastset`));
await step("no messages", () => ask(MODEL, { messages: [] }));
await step("provider limited", () => ask("broken/limited"));
await step("provider down", () => ask("broken/down"));
await step("provider silent", () => ask("broken/silent", { stream: true }));
const heard = [];
await step("broken midway", async () => {
  for await (const chunk of await ask("broken/midway", { stream: true })) heard.push(chunk);
});
await step("heard before", () => heard.map((chunk) => chunk.choices[0].delta.content ?? "").join(""));

tell();
