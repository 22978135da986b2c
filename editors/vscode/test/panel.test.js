// The panel with a stand-in for VS Code, against the real `codeask lsp`: what it posts to its page, and what its page's clicks open.
const { test, before, after } = require("node:test");
const assert = require("node:assert");
const { spawn } = require("node:child_process");
const Module = require("node:module");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { createMessageConnection, StreamMessageReader, StreamMessageWriter, CancellationTokenSource } = require("vscode-languageserver-protocol/node");

const repo = process.env.REPO, posted = [], shown = [], asked = [];
let server, connection, receive, on;

const vscode = {
  ViewColumn: { One: 1, Beside: -2 },
  CancellationTokenSource,
  Range: class { constructor(...at) { this.at = at; } },
  Uri: { parse: (text) => ({ toString: () => text }) },
  window: {
    activeTextEditor: { document: { uri: { toString: () => pathToFileURL(path.join(repo, "src/pool.py")).href } } },
    createWebviewPanel: () => ({
      webview: { onDidReceiveMessage: (heard) => (receive = heard), postMessage: async (message) => posted.push(message) },
      onDidDispose: () => {},
      reveal: () => {},
    }),
    showTextDocument: async (document, how) => shown.push({ uri: document.uri.toString(), at: how.selection.at, column: how.viewColumn }),
  },
  workspace: { openTextDocument: async (uri) => ({ uri }) },
  // later texts are rendered faster: an older one must not come behind a newer
  commands: { executeCommand: (name, text) => new Promise((done) => setTimeout(() => done(`<p>${text}</p>`), Math.max(0, 60 - text.length))) },
};
const load = Module._load;
Module._load = (name, ...rest) => (name === "vscode" ? vscode : load(name, ...rest));
const { Panel } = require("../out/panel");

before(async () => {
  server = spawn(process.env.CODEASK, ["lsp"], { cwd: repo, stdio: ["pipe", "pipe", "inherit"] });
  connection = createMessageConnection(new StreamMessageReader(server.stdout), new StreamMessageWriter(server.stdin));
  connection.listen();
  const root = pathToFileURL(repo).href;
  await connection.sendRequest("initialize", { processId: process.pid, rootUri: root, capabilities: {}, workspaceFolders: [{ uri: root, name: "r" }] });
  await connection.sendNotification("initialized", {});
  on = {
    onProgress: (...all) => connection.onProgress(...all),
    sendRequest: (method, params, cancel) => (asked.push(params), connection.sendRequest(method, params, cancel)),
  };
  Panel.show(() => on);
});

after(async () => {
  await connection.sendRequest("shutdown");
  await connection.sendNotification("exit");
  await new Promise((done) => server.once("exit", done));
  connection.dispose();
});

const of = (key) => posted.filter((message) => key in message).map((message) => message[key]);

test("an answer streams in order, and its sources open", async () => {
  await receive({ ask: "where is the retry policy?" });
  const keys = posted.map((message) => Object.keys(message)[0]);
  assert.deepStrictEqual(keys.slice(0, 2), ["asked", "busy"]);
  assert.ok(keys.indexOf("sources") < keys.indexOf("html"), keys.join());
  assert.deepStrictEqual(of("busy"), [true, false]);
  assert.strictEqual(keys.at(-1), "busy");
  const texts = of("html").map((html) => html.replace("</p>", ""));
  texts.forEach((text, i) => assert.ok(!i || text.startsWith(texts[i - 1].trimEnd()), texts.join("\n")));
  assert.ok(texts.at(-1).includes("RetryPolicy"), texts.at(-1));
  const source = of("sources").at(-1).find((s) => s.label.includes("src/retry.py"));
  await receive({ open: { turn: 0, n: source.n } });
  await receive({ open: { turn: 0, n: 99 } });
  await receive({ open: { turn: 7, n: 1 } });
  const line = Number(/:(\d+)/.exec(source.label)[1]);
  assert.strictEqual(shown.length, 1);
  assert.strictEqual(shown[0].uri, pathToFileURL(path.join(repo, "src/retry.py")).href);
  assert.strictEqual(shown[0].at[0], line - 1);
  assert.strictEqual(shown[0].column, 1);
});

test("a conversation goes on until a new one is begun", async () => {
  await receive({ ask: "and who uses it?" });
  await receive({ fresh: true });
  await receive({ ask: "where is the pool?" });
  assert.strictEqual(asked[0].continue, undefined);
  assert.ok(asked[1].continue);
  assert.strictEqual(asked[2].continue, undefined);
  assert.ok(asked[0].textDocument.uri.endsWith("/src/pool.py"));
  assert.strictEqual(of("cleared").length, 1);
});

test("an answer can be stopped", async () => {
  const all = receive({ ask: "where is the retry policy?" });
  while (posted.at(-1).html === undefined) await new Promise((done) => setTimeout(done, 20));
  await receive({ stop: true });
  await all;
  assert.deepStrictEqual(posted.slice(-2), [{ error: "Stopped." }, { busy: false }]);
});

test("a server that does not run is said to", async () => {
  on = undefined;
  await receive({ ask: "where?" });
  assert.match(posted.at(-1).error, /does not run/);
});
