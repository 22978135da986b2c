/* codeask in VS Code: the language server, a status item, and the ask panel. */
import * as vscode from "vscode";
import { LanguageClient, State } from "vscode-languageclient/node";
import { Panel } from "./panel";

let client: LanguageClient | undefined;

function settings(): object {
  const own = vscode.workspace.getConfiguration("codeask");
  return { beside: own.get("beside"), lens: own.get("lens"), links: own.get("links") };
}

async function start(status: vscode.StatusBarItem): Promise<void> {
  await client?.stop().catch(() => undefined);
  const command = vscode.workspace.getConfiguration("codeask").get<string>("command") || "codeask";
  client = new LanguageClient("codeask", "codeask", { command, args: ["lsp"] }, {
    documentSelector: [{ scheme: "file" }],
    initializationOptions: settings(),
    synchronize: { configurationSection: "codeask" },
    markdown: { isTrusted: false, supportHtml: false },
  });
  client.onDidChangeState(({ newState }) => {
    const running = newState === State.Running;
    status.text = running ? "$(comment-discussion) codeask" : newState === State.Starting ? "$(sync~spin) codeask" : "$(warning) codeask";
    status.tooltip = running ? "Ask about this code" : newState === State.Starting ? "codeask starts" : "codeask does not run; a click starts it";
    status.command = newState === State.Stopped ? "codeask.restart" : "codeask.panel";
  });
  try {
    await client.start();
  } catch (why) {
    void vscode.window.showErrorMessage(`codeask: ${command} could not be started (${why instanceof Error ? why.message : why}). The setting codeask.command names it.`);
  }
}

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const status = vscode.window.createStatusBarItem(vscode.StatusBarAlignment.Right);
  status.text = "codeask";
  status.show();
  context.subscriptions.push(
    status,
    vscode.commands.registerCommand("codeask.panel", () => Panel.show(() => (client?.state === State.Running ? client : undefined))),
    vscode.commands.registerCommand("codeask.restart", () => start(status)),
  );
  await start(status);
}

export async function deactivate(): Promise<void> {
  await client?.stop();
}
