// Drives a server with the TypeScript SDK and prints what it answered: node client.mjs PYTHON REPOSITORY
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const [python, repository] = process.argv.slice(2);
const transport = new StdioClientTransport({
  command: python,
  args: ["-m", "packhorse", "serve"],
  env: process.env,
  stderr: "inherit",
});
const client = new Client({ name: "packhorse-e2e", version: "1.0.0" });
await client.connect(transport);

const call = async (name, args) => {
  const result = await client.callTool({ name, arguments: args });
  if (result.isError) throw new Error(JSON.stringify(result.content));
  return result.structuredContent;
};

const { tools } = await client.listTools();
const indexed = await call("index_repository", { repo_path: repository });
const found = await call("search_code", { query: "where are opening hours parsed", limit: 3 });
const created = await call("create_task", { title: "Parse lunch breaks" });
await call("update_task", { task_id: created.id, status: "in-progress" });
const task = await call("update_task", { task_id: created.id, status: "complete" });
const wrong = await client.callTool({ name: "get_task", arguments: { task_id: "no-id" } });
await client.close();
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), indexed, found, task, wrong: wrong.isError }));
