// The official Node SDK as a program: does the named calls one after another and prints what each gave, as JSON.
//
//   OPENAI_BASE_URL=… OPENAI_API_KEY=… node calls.mjs chat stream …
import { createReadStream } from "node:fs";

import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const [chatModel, embeddingModel] = (process.env.MODELS ?? "gpt-4,ada").split(",");
const messages = [{ role: "user", content: "Hello there" }];
const tools = [{ type: "function", function: { name: "now", parameters: { type: "object" } } }];

const calls = {
  async chat() {
    const answer = await client.chat.completions.create({ model: chatModel, messages, max_tokens: 40 });
    return { text: answer.choices[0].message.content, model: answer.model, tokens: answer.usage.total_tokens };
  },
  async stream() {
    const stream = await client.chat.completions.create({
      model: chatModel, messages, max_tokens: 40, stream: true, stream_options: { include_usage: true },
    });
    const seen = { text: "", finish: null, tokens: null };
    for await (const chunk of stream) {
      seen.text += chunk.choices[0]?.delta?.content ?? "";
      seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish;
      seen.tokens = chunk.usage?.total_tokens ?? seen.tokens;
    }
    return seen;
  },
  async left_stream() {
    const stream = await client.chat.completions.create({ model: chatModel, messages, stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta?.content) break; // leaves the loop, and so closes the connection
    }
    return { left: true };
  },
  async tools() {
    const { message } = (await client.chat.completions.stream({ model: chatModel, messages, tools }).finalChatCompletion()).choices[0];
    return message.tool_calls.map((call) => [call.function.name, call.function.arguments]);
  },
  async completion() {
    return { text: (await client.completions.create({ model: chatModel, prompt: "Once", max_tokens: 20 })).choices[0].text };
  },
  async embeddings() { // the SDK asks for base64 by itself, and gives numbers
    const answer = await client.embeddings.create({ model: embeddingModel, input: ["password", "login"] });
    return answer.data.map((entry) => [entry.embedding.length, typeof entry.embedding[0]]);
  },
  async embeddings_float() {
    const answer = await client.embeddings.create({ model: embeddingModel, input: "password", encoding_format: "float" });
    return [answer.data[0].embedding.length, typeof answer.data[0].embedding[0]];
  },
  async models() {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    return { names, one: (await client.models.retrieve(chatModel)).id };
  },
  async image() {
    const answer = await client.images.generate({ model: "painter", prompt: "a lake", response_format: "b64_json" });
    return { bytes: Buffer.from(answer.data[0].b64_json, "base64").length };
  },
  async moderation() {
    return { flagged: (await client.moderations.create({ model: "judge", input: "hello" })).results[0].flagged };
  },
  async speech() {
    const answer = await client.audio.speech.create({ model: "speaker", voice: "alloy", input: "Hello" });
    return { bytes: (await answer.arrayBuffer()).byteLength, type: answer.headers.get("content-type") };
  },
  async transcription() {
    const file = createReadStream(process.env.SOUND);
    return { text: (await client.audio.transcriptions.create({ model: "listener", file })).text };
  },
  async translation() {
    const file = createReadStream(process.env.SOUND);
    return { text: (await client.audio.translations.create({ model: "listener", file })).text };
  },
  async unknown_model() {
    return client.chat.completions.create({ model: "gpt-5", messages });
  },
  async wrong_key() {
    return new OpenAI({ maxRetries: 0, apiKey: "sk-wrong" }).models.list();
  },
  async patient() { // the SDK waits as told and tries again
    const answer = await new OpenAI({ maxRetries: 1 }).chat.completions.create({ model: chatModel, messages });
    return { text: answer.choices[0].message.content };
  },
};

const results = {};
for (const name of process.argv.slice(2)) {
  try {
    results[name] = await calls[name]();
  } catch (error) {
    const { status, code, param } = error;
    results[name] = { error: error.constructor.name, status, code, param, message: error.message };
  }
}
console.log(JSON.stringify(results));
