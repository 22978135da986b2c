/* The ask panel: questions, the answer while it is written, its sources as links into the editor (page.ts is what it shows). Answers are rendered
 * by VS Code's own Markdown. */
import { randomBytes } from "crypto";
import * as vscode from "vscode";
import { Answer, ask, Connection, labelOf, placeOf } from "./ask";
import { page, Shown } from "./page";

interface Said {
  ask?: string;
  open?: { turn: number; n: number };
  stop?: true;
  fresh?: true;
}

export class Panel {
  private static open: Panel | undefined;
  private answers: (Answer | undefined)[] = []; // by turn; undefined: there is none yet
  private cancel: vscode.CancellationTokenSource | undefined;
  private from: vscode.Uri | undefined;
  private readonly view: vscode.WebviewPanel;

  static show(connection: () => Connection | undefined): void {
    const from = vscode.window.activeTextEditor?.document.uri;
    if (!Panel.open) Panel.open = new Panel(connection);
    if (from) Panel.open.from = from;
    Panel.open.view.reveal();
  }

  private constructor(private readonly connection: () => Connection | undefined) {
    this.view = vscode.window.createWebviewPanel("codeask", "codeask", vscode.ViewColumn.Beside, { enableScripts: true, retainContextWhenHidden: true });
    this.view.webview.html = page(randomBytes(16).toString("hex"));
    this.view.webview.onDidReceiveMessage((said: Said) => this.receive(said));
    this.view.onDidDispose(() => {
      this.cancel?.cancel();
      Panel.open = undefined;
    });
  }

  private async receive(said: Said): Promise<void> {
    if (said.ask) await this.run(said.ask);
    else if (said.open) await this.goto(said.open.turn, said.open.n);
    else if (said.stop) this.cancel?.cancel();
    else if (said.fresh) this.clear();
  }

  private post(shown: Shown): void {
    void this.view.webview.postMessage(shown);
  }

  private clear(): void {
    this.cancel?.cancel();
    this.cancel = undefined;
    this.answers = [];
    this.post({ cleared: true });
    this.post({ busy: false });
  }

  /* A renderer of the text as it grows: one at a time, so that no older text comes behind a newer one. */
  private renderer(wanted: () => boolean): (text: string) => Promise<void> {
    let latest = "", running: Promise<void> | undefined;
    const run = async (): Promise<void> => {
      for (let done: string | undefined; done !== latest; ) {
        done = latest;
        const html = await vscode.commands.executeCommand<string>("markdown.api.render", done);
        if (wanted()) this.post({ html });
      }
      running = undefined;
    };
    return (text) => {
      latest = text;
      return (running = running ?? run());
    };
  }

  private async run(query: string): Promise<void> {
    const on = this.connection();
    this.post({ asked: query });
    const turn = this.answers.push(undefined) - 1;
    if (!on) {
      this.post({ error: "codeask does not run: see the output of codeask" });
      return;
    }
    this.cancel?.cancel();
    const cancel = (this.cancel = new vscode.CancellationTokenSource()), current = (): boolean => this.cancel === cancel;
    const render = this.renderer(current);
    const take = (answer: Answer): void => {
      this.answers[turn] = answer;
      this.post({ sources: answer.citations.map((c) => ({ n: c.n, label: labelOf(answer, c) })) });
    };
    let text = "";
    this.post({ busy: true });
    try {
      const before = this.answers.slice(0, turn).reverse().find((a) => a)?.conversation;
      const question = { query, textDocument: this.from && { uri: this.from.toString() }, continue: before };
      const answer = await ask(on, question, (part) => {
        if (!current()) return;
        if (part.extractive) take(part.extractive);
        if (part.delta) void render((text += part.delta));
      }, cancel.token);
      if (!current()) return;
      take(answer);
      await render(answer.answer);
    } catch (why) {
      if (current()) this.post({ error: cancel.token.isCancellationRequested ? "Stopped." : why instanceof Error ? why.message : String(why) });
    } finally {
      if (current()) this.post({ busy: false });
    }
  }

  private async goto(turn: number, n: number): Promise<void> {
    const answer = this.answers[turn], cited = answer?.citations.find((c) => c.n === n), place = answer && cited && placeOf(answer, cited);
    if (!place) return;
    const document = await vscode.workspace.openTextDocument(vscode.Uri.parse(place.uri));
    await vscode.window.showTextDocument(document, { viewColumn: vscode.ViewColumn.One, selection: new vscode.Range(place.first, 0, place.last + 1, 0) });
  }
}
