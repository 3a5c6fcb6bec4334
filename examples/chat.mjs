// A first conversation with the official `openai` package. Needs WAYPOST_TOKEN.

import OpenAI from "openai";

const client = new OpenAI({
  baseURL: process.env.WAYPOST_URL ?? "http://127.0.0.1:8080/v1",
  apiKey: process.env.WAYPOST_TOKEN,
});
const model = process.env.WAYPOST_MODEL ?? "openai/gpt-oss-120b";
const messages = [{ role: "user", content: "What is a waybill?" }];

console.log("== the models");
for await (const entry of client.models.list()) console.log(`   ${entry.id}`);

console.log("== a question, to whoever is fastest");
const { data, response } = await client.chat.completions
  .create({ model: `${model}:fastest`, messages, max_tokens: 40 })
  .withResponse();
console.log(data.choices[0].message.content);
console.log(
  `   answered by ${response.headers.get("x-inference-provider")}, waybill ${response.headers.get("x-request-id")}`,
);

console.log("== the same as a stream, to whoever is cheapest");
const stream = await client.chat.completions.create({
  model: `${model}:cheapest`,
  messages,
  max_tokens: 40,
  stream: true,
});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
console.log();

console.log("== an error says the rule, the evidence and the fix");
try {
  await client.chat.completions.create({ model: `${model}:fastset`, messages });
} catch (error) {
  if (!(error instanceof OpenAI.BadRequestError)) throw error;
  console.log(`${error.code}: ${error.error.message}\n   why: ${error.error.why}\n   fix: ${error.error.fix}`);
}
