// The extension with stand-ins for VS Code and the language client: what its status item says and does while the server starts, runs and is gone.
const { test } = require("node:test");
const assert = require("node:assert");
const Module = require("node:module");

const State = { Stopped: 1, Running: 2, Starting: 3 }; // vscode-languageclient's
const status = { shown: false, show: () => (status.shown = true) }, commands = {}, errors = [], clients = [];
let refuses = null;

const vscode = {
  StatusBarAlignment: { Right: 2 },
  window: { createStatusBarItem: () => status, showErrorMessage: async (text) => errors.push(text) },
  workspace: { getConfiguration: () => ({ get: (name) => ({ command: "/opt/codeask", beside: true, lens: false, links: true })[name] }) },
  commands: { registerCommand: (name, run) => ((commands[name] = run), {}) },
};
class LanguageClient {
  constructor(id, name, server, options) {
    Object.assign(this, { server, options, state: State.Stopped });
    clients.push(this);
  }
  onDidChangeState(heard) { this.heard = heard; }
  become(state) { this.state = state; this.heard({ newState: state }); }
  async start() {
    this.become(State.Starting);
    if (refuses) throw refuses;
    this.become(State.Running);
  }
  async stop() { this.become(State.Stopped); }
}
const load = Module._load;
Module._load = (name, ...rest) => (name === "vscode" ? vscode : name === "vscode-languageclient/node" ? { LanguageClient, State } : load(name, ...rest));
const { activate, deactivate } = require("../out/extension");

test("the status item follows the server", async () => {
  await activate({ subscriptions: [] });
  assert.ok(status.shown && clients.length === 1);
  assert.deepStrictEqual(clients[0].server, { command: "/opt/codeask", args: ["lsp"] });
  assert.deepStrictEqual(clients[0].options.initializationOptions, { beside: true, lens: false, links: true });
  assert.deepStrictEqual(clients[0].options.markdown, { isTrusted: false, supportHtml: false });
  assert.match(status.text, /comment-discussion/);
  assert.strictEqual(status.command, "codeask.panel");
  clients[0].become(State.Stopped);
  assert.match(status.text, /warning/);
  assert.match(status.tooltip, /does not run/);
  assert.strictEqual(status.command, "codeask.restart");
  await commands[status.command]();
  assert.strictEqual(clients.length, 2);
  assert.strictEqual(status.command, "codeask.panel");
});

test("a program that cannot be started is named, with the setting", async () => {
  refuses = new Error("ENOENT");
  await commands["codeask.restart"]();
  assert.match(errors.at(-1), /\/opt\/codeask could not be started \(ENOENT\).*codeask\.command/);
  await deactivate();
  assert.match(status.text, /warning/);
});
