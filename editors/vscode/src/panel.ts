/* The ask panel: a question, the answer while it is written, its sources as links into the editor. What it shows is text of the answer,
 * rendered by VS Code's own Markdown and held by a content security policy that allows no script but this panel's. */
import { randomBytes } from "crypto";
import * as vscode from "vscode";
import { Answer, ask, Connection, labelOf, placeOf } from "./ask";

export class Panel {
  private static open: Panel | undefined;
  private answer: Answer | undefined;
  private cancel: vscode.CancellationTokenSource | undefined;

  static show(connection: () => Connection | undefined): void {
    const from = vscode.window.activeTextEditor?.document.uri;
    if (!Panel.open) Panel.open = new Panel(connection);
    if (from) Panel.open.from = from;
    Panel.open.view.reveal();
  }

  private from: vscode.Uri | undefined;
  private readonly view: vscode.WebviewPanel;

  private constructor(private readonly connection: () => Connection | undefined) {
    this.view = vscode.window.createWebviewPanel("codeask", "codeask", vscode.ViewColumn.Beside, { enableScripts: true, retainContextWhenHidden: true });
    this.view.webview.html = page(randomBytes(16).toString("hex"));
    this.view.webview.onDidReceiveMessage((message) => this.receive(message));
    this.view.onDidDispose(() => {
      this.cancel?.cancel();
      Panel.open = undefined;
    });
  }

  private async receive(message: { ask?: string; open?: number; stop?: true; fresh?: true }): Promise<void> {
    if (message.ask) await this.run(message.ask);
    else if (message.open !== undefined) await this.goto(message.open);
    else if (message.stop) this.cancel?.cancel();
    else if (message.fresh) this.answer = undefined;
  }

  private post(message: object): void {
    void this.view.webview.postMessage(message);
  }

  private async show(markdown: string, done: boolean): Promise<void> {
    this.post({ html: await vscode.commands.executeCommand<string>("markdown.api.render", markdown), done });
  }

  private sources(answer: Answer): void {
    this.post({ sources: answer.citations.map((c) => labelOf(answer, c)) });
  }

  private async run(query: string): Promise<void> {
    const on = this.connection();
    if (!on) {
      this.post({ error: "codeask does not run: see the output of codeask" });
      return;
    }
    this.cancel?.cancel();
    const cancel = (this.cancel = new vscode.CancellationTokenSource());
    let text = "";
    try {
      const question = { query, textDocument: this.from && { uri: this.from.toString() }, continue: this.answer?.conversation };
      this.post({ busy: true });
      const answer = await ask(on, question, (part) => {
        if (part.extractive) this.sources((this.answer = part.extractive));
        if (part.delta) void this.show((text += part.delta), false);
      }, cancel.token);
      this.answer = answer;
      this.sources(answer);
      await this.show(answer.answer, true);
    } catch (why) {
      this.post({ error: why instanceof Error ? why.message : String(why) });
    } finally {
      this.post({ busy: false });
    }
  }

  private async goto(index: number): Promise<void> {
    const cited = this.answer?.citations[index];
    const place = this.answer && cited && placeOf(this.answer, cited);
    if (!place) return;
    const document = await vscode.workspace.openTextDocument(vscode.Uri.parse(place.uri));
    await vscode.window.showTextDocument(document, { viewColumn: vscode.ViewColumn.One, selection: new vscode.Range(place.first, 0, place.last + 1, 0) });
  }
}

function page(nonce: string): string {
  return `<!DOCTYPE html><html><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'">
<style nonce="${nonce}">
textarea { width: 100%; box-sizing: border-box; color: var(--vscode-input-foreground); background: var(--vscode-input-background); border: 1px solid var(--vscode-input-border, transparent); }
#sources button { display: block; border: 0; background: none; padding: 2px 0; cursor: pointer; color: var(--vscode-textLink-foreground); font-family: var(--vscode-editor-font-family); }
#error { color: var(--vscode-errorForeground); }
</style></head><body>
<textarea id="question" rows="3" placeholder="Ask about this code; Enter asks, Escape stops" aria-label="Question"></textarea>
<div id="error" role="alert"></div><div id="answer" aria-live="polite"></div><div id="sources"></div>
<script nonce="${nonce}">
const vscode = acquireVsCodeApi(), by = (id) => document.getElementById(id);
by("question").addEventListener("keydown", (e) => {
  if (e.key === "Enter" && !e.shiftKey && by("question").value.trim()) { e.preventDefault(); vscode.postMessage({ ask: by("question").value }); }
  if (e.key === "Escape") vscode.postMessage({ stop: true });
});
window.addEventListener("message", ({ data }) => {
  if (data.busy) { by("error").textContent = ""; by("answer").textContent = "…"; by("sources").textContent = ""; }
  if (data.error) { by("error").textContent = data.error; by("answer").textContent = ""; }
  if (data.html !== undefined) by("answer").innerHTML = data.html;
  if (data.sources) by("sources").replaceChildren(...data.sources.map((label, i) => {
    const b = document.createElement("button");
    b.textContent = label;
    b.addEventListener("click", () => vscode.postMessage({ open: i }));
    return b;
  }));
});
by("question").focus();
</script></body></html>`;
}
