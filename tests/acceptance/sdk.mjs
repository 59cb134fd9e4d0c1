// Asks LangGraph's server what a JavaScript client would ask, and writes what it learnt as one JSON document.
// Arguments: the address of the server, a folder with the installed SDK, a named pipe at which an agent waits.

import { openSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [url, folder, gate] = process.argv.slice(2);
const { Client } = await import(
  pathToFileURL(createRequire(`${folder}/`).resolve("@langchain/langgraph-sdk"))
);
const client = new Client({ apiUrl: url });
const learnt = {};

async function assistants() {
  const found = await client.assistants.search({ limit: 100 });
  learnt.graphs = [...new Set(found.map((each) => each.graph_id))].sort();
  learnt.drawn = await client.assistants.getGraph("blog_campaign");
  learnt.xray = await client.assistants.getGraph("team", { xray: true });
  const own = found.find((each) => each.graph_id === "team" && each.metadata.created_by === "system");
  learnt.schemas = await client.assistants.getSchemas(own.assistant_id);
}

async function streams() {
  const { thread_id } = await client.threads.create();
  learnt.streamed = {};
  const options = {
    input: { campaign: { type: "letter", brief: "cats" } },
    context: { strategy: "parallel" },
    streamMode: ["values", "updates", "tasks", "custom"],
  };
  for await (const part of client.runs.stream(thread_id, "team", options)) {
    (learnt.streamed[part.event] ??= []).push(part.data);
  }
}

async function messages() {
  const { thread_id } = await client.threads.create();
  const said = [{ role: "user", content: "What is everything?" }];
  const options = {
    input: { campaign: { type: "talk", provided: { messages: said } } },
    streamMode: ["messages-tuple"],
    streamSubgraphs: true,
  };
  learnt.words = [];
  for await (const part of client.runs.stream(thread_id, "team", options)) {
    if (!part.event.startsWith("messages|assistant:")) continue;
    const [chunk] = part.data;
    if (chunk.type === "AIMessageChunk" && chunk.content) learnt.words.push(chunk.content);
  }
}

async function questions() {
  const { thread_id } = await client.threads.create();
  const input = { campaign: { type: "reviewed", brief: "dogs" } };
  learnt.asked = await client.runs.wait(thread_id, "team", { input });
  learnt.answered = await client.runs.wait(thread_id, "team", { command: { resume: "fine" } });
}

async function cancelled() {
  const { thread_id } = await client.threads.create();
  const input = { campaign: { type: "gated", brief: "birds", provided: { gate } } };
  const runs = [];
  const options = { input, streamMode: ["custom"], onRunCreated: (run) => runs.push(run), onDisconnect: "continue" };
  for await (const part of client.runs.stream(thread_id, "team", options)) {
    if (part.event === "custom" && part.data.event === "agent_started" && part.data.agent === "porter") break;
  }
  await client.runs.cancel(thread_id, runs[0].run_id, true);
  learnt.cancelled = (await client.runs.get(thread_id, runs[0].run_id)).status;
  openSync(gate, "r+");
  learnt.resumed = await client.runs.wait(thread_id, "team", { input: null });
}

async function refused() {
  const { thread_id } = await client.threads.create();
  try {
    await client.runs.wait(thread_id, "team", { input: { campaign: { type: "novel" } } });
  } catch (error) {
    learnt.refused = String(error.message);
  }
}

await assistants();
await Promise.all([streams(), messages(), questions(), cancelled(), refused()]);
process.stdout.write(JSON.stringify(learnt), () => process.exit(0));
