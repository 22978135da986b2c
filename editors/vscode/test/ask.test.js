// The client's side against the real `codeask lsp`: CODEASK names the program, REPO a repository.
const { test, before, after } = require("node:test");
const assert = require("node:assert");
const { spawn } = require("node:child_process");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { createMessageConnection, StreamMessageReader, StreamMessageWriter, CancellationTokenSource } = require("vscode-languageserver-protocol/node");
const { ask, placeOf, labelOf } = require("../out/ask");

const repo = process.env.REPO;
let server, connection;

before(async () => {
  server = spawn(process.env.CODEASK, ["lsp"], { cwd: repo, stdio: ["pipe", "pipe", "inherit"] });
  connection = createMessageConnection(new StreamMessageReader(server.stdout), new StreamMessageWriter(server.stdin));
  connection.listen();
  const root = pathToFileURL(repo).href;
  const told = await connection.sendRequest("initialize", { processId: process.pid, rootUri: root, capabilities: {}, workspaceFolders: [{ uri: root, name: "r" }],
    initializationOptions: { beside: true } });
  assert.ok(told.capabilities.executeCommandProvider.commands.includes("codeask.ask"));
  await connection.sendNotification("initialized", {});
});

after(async () => {
  await connection.sendRequest("shutdown");
  await connection.sendNotification("exit");
  const code = await new Promise((done) => server.once("exit", done));
  connection.dispose();
  assert.strictEqual(code, 0);
});

test("an answer streams, and its citations open", async () => {
  let text = "", sources;
  const answer = await ask(connection, { query: "where is the retry policy?" }, (part) => {
    sources = part.extractive || sources;
    text += part.delta || "";
  });
  assert.strictEqual(answer.mode, "generated");
  assert.ok(text.includes("RetryPolicy"), text);
  assert.ok(sources && sources.citations.length > 0);
  const cited = answer.citations[0], place = placeOf(answer, cited);
  assert.strictEqual(place.uri, pathToFileURL(path.join(repo, cited.path)).href);
  assert.ok(place.first >= 0 && place.last >= place.first);
  assert.match(labelOf(answer, cited), /^\[\d+\] src\/retry\.py:\d+/);
});

test("a conversation goes on", async () => {
  const first = await ask(connection, { query: "where is the retry policy?" }, () => {});
  const next = await ask(connection, { query: "and who uses it?", continue: first.conversation }, () => {});
  assert.strictEqual(next.conversation, first.conversation);
});

test("a question can be taken back", async () => {
  const cancel = new CancellationTokenSource();
  const asked = ask(connection, { query: "where is the retry policy?" }, () => cancel.cancel(), cancel.token);
  await assert.rejects(asked, (why) => why.code === -32800);
});

test("what another extension serves is left to it", async () => {
  const uri = pathToFileURL(path.join(repo, "src/pool.py")).href;
  await connection.sendNotification("textDocument/didOpen", { textDocument: { uri, languageId: "python", version: 1, text: "import retry\nretry.send_with_retry(1, 2)\n" } });
  const at = { textDocument: { uri }, position: { line: 1, character: 8 } };
  assert.strictEqual(await connection.sendRequest("textDocument/definition", at), null);
  const hover = await connection.sendRequest("textDocument/hover", at);
  assert.ok(!hover.contents.value.includes("```"), hover.contents.value);
});
