// @huggingface/inference and @huggingface/hub against a running Waypost whose tokens begin with `hf_`:
// node huggingface_client.mjs ADDRESS TOKEN WEAK_TOKEN

import { listModels, modelInfo, whoAmI } from "@huggingface/hub";
import { InferenceClient } from "@huggingface/inference";

import { step, tell } from "./findings.mjs";

const [address, token, weakToken] = process.argv.slice(2);
const HOSTS = new Set(["huggingface.co", "router.huggingface.co"]);
let asked = [];

/** What a hosts file and a private certificate would do: Hugging Face's hosts are here. */
const here = async (input, init) => {
  const url = new URL(input);
  if (HOSTS.has(url.host)) {
    const { protocol, host } = new URL(address);
    Object.assign(url, { protocol, host });
  }
  if (url.origin !== address) throw new Error(`a test may not reach ${url}`);
  asked.push(`${init?.method ?? "GET"} ${url.pathname}${url.search}`);
  const response = await fetch(url, init);
  asked.push(`${response.status}`);
  return response;
};
globalThis.fetch = ((real) => (input, init) => (String(input).startsWith(address) ? real(input, init) : here(input, init)))(fetch);

const MODEL = "openai/gpt-oss-120b";
const say = (content) => [{ role: "user", content }];
const OK = say("Reply with exactly OK");
const COUNT = say("Count to 5");
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
const routed = new InferenceClient(token, { fetch: here });
const pointed = new InferenceClient(token, { endpointUrl: `${address}/v1`, fetch: here });
const weak = new InferenceClient(weakToken, { endpointUrl: `${address}/v1`, fetch: here });
const spoilt = new InferenceClient(`${token}x`, { endpointUrl: `${address}/v1`, fetch: here });

/** As `step`, and also which requests the client has sent for it. */
async function watched(name, run) {
  asked = [];
  await step(name, run);
  const sent = asked;
  await step(`${name}: sent`, () => sent);
}

async function words(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return { text: chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join(""), chunks };
}

await watched("pointed", () => pointed.chatCompletion({ model: MODEL, messages: OK, max_tokens: 8 }));
await watched("pointed stream", () => words(pointed.chatCompletionStream({ model: MODEL, messages: COUNT })));
await watched("auto", () => routed.chatCompletion({ model: MODEL, provider: "auto", messages: OK, max_tokens: 8 }));
await watched("auto stream", () => words(routed.chatCompletionStream({ model: `${MODEL}:cheapest`, messages: COUNT })));
for (const [provider, model] of [
  ["together", "Qwen/Qwen3.5-9B"],
  ["groq", "meta/llama"],
  ["hf-inference", "meta/llama"],
]) {
  await watched(provider, () => routed.chatCompletion({ model, provider, messages: OK }));
  await watched(`${provider} stream`, () => words(routed.chatCompletionStream({ model, provider, messages: COUNT })));
}
await watched("default model", () => routed.chatCompletion({ messages: OK }));
await watched("tools", async () => {
  const messages = say("What is the weather in Paris?");
  const first = await routed.chatCompletion({ model: "practice/parrot", messages, tools: [WEATHER] });
  const call = first.choices[0].message.tool_calls[0];
  messages.push(first.choices[0].message, { role: "tool", tool_call_id: call.id, content: "18 degrees" });
  const second = await routed.chatCompletion({ model: "practice/parrot", messages, tools: [WEATHER] });
  return { call, told: second.choices[0].message.content };
});
const parcel = { messages: say("A parcel from Ada of 250 grams") };
const json_schema = { name: "parcel", strict: true, schema: PARCEL };
for (const [name, model, provider] of [
  ["structured", "practice/parrot", "auto"],
  ["structured at together", "Qwen/Qwen3.5-9B", "together"],
  ["structured at hf-inference", "meta/llama", "hf-inference"],
]) {
  const response_format = { type: "json_schema", json_schema };
  await watched(name, async () => {
    return JSON.parse((await routed.chatCompletion({ ...parcel, model, provider, response_format })).choices[0].message.content);
  });
}
await watched("bill to", async () => {
  const client = new InferenceClient(token, { billTo: "some-org", fetch: here });
  const reply = {};
  const seen = async (input, init) => {
    const response = await here(input, init);
    reply.payer = response.headers.get("x-waypost-payer");
    reply.id = response.headers.get("x-request-id");
    return response;
  };
  await client.chatCompletion({ model: MODEL, messages: OK }, { fetch: seen });
  return reply;
});

// Errors, whole and in a stream that never began.
for (const [name, client, model] of [
  ["spoilt token", spoilt, MODEL],
  ["weak token", weak, MODEL],
  ["unknown model", pointed, "openai/gpt-oss-12b"],
  ["unknown policy", pointed, `${MODEL}:fastset`],
  ["provider limited", pointed, "broken/limited"],
  ["provider down", pointed, "broken/down"],
  ["provider silent", pointed, "broken/silent"],
]) {
  await watched(name, () => client.chatCompletion({ model, messages: OK }));
  await watched(`${name}, streamed`, () => words(client.chatCompletionStream({ model, messages: OK })));
}
await watched("broken midway", () => words(pointed.chatCompletionStream({ model: "broken/midway", messages: COUNT })));
await watched("unmapped model", () => routed.chatCompletion({ model: "meta/llama", provider: "together", messages: OK }));
await watched("unlisted model", () => routed.chatCompletion({ model: "nobody/nothing", provider: "together", messages: OK }));

// The Hub.
await watched("who", () => whoAmI({ accessToken: token, hubUrl: address, fetch: here }));
await watched("who weak", () => whoAmI({ accessToken: weakToken, hubUrl: address, fetch: here }));
await watched("who unknown", () => whoAmI({ accessToken: `${token}x`, hubUrl: address, fetch: here }));
await watched("model info", () => {
  return modelInfo({ name: MODEL, hubUrl: address, additionalFields: ["inferenceProviderMapping"], accessToken: token, fetch: here });
});
await watched("no model info", () => modelInfo({ name: "nobody/nothing", hubUrl: address, fetch: here }));
await watched("models", async () => {
  const names = [];
  const search = { inferenceProviders: ["together"] };
  for await (const model of listModels({ hubUrl: address, search, limit: 10, fetch: here })) names.push(model.name);
  return names;
});

tell();
