/* A question to `codeask lsp` and what comes back, without anything of VS Code: the panel and the tests speak through it. */
import * as path from "path";
import { pathToFileURL } from "url";
import { CancellationToken, Disposable, ProgressType } from "vscode-languageserver-protocol";

export interface Citation {
  n: number;
  repo: string;
  path: string;
  start_line: number;
  end_line: number;
  symbol?: string;
}

export interface Answer {
  id: string;
  conversation: string;
  mode: "generated" | "extractive" | "insufficient";
  answer: string;
  citations: Citation[];
  roots: { [repo: string]: string };
}

/* What comes before the answer: sources first, then the text as it is written. */
export interface Part {
  extractive?: Answer;
  delta?: string;
}

export interface Question {
  query: string;
  textDocument?: { uri: string };
  continue?: string;
}

/* A language client, or a bare connection. */
export interface Connection {
  onProgress<P>(type: ProgressType<P>, token: string | number, handler: (value: P) => void): Disposable;
  sendRequest<R>(method: string, params: object, token?: CancellationToken): Promise<R>;
}

const part = new ProgressType<Part>();
let asked = 0;

export async function ask(on: Connection, question: Question, onPart: (part: Part) => void, cancel: CancellationToken = CancellationToken.None): Promise<Answer> {
  const partialResultToken = `codeask-answer-${++asked}`;
  const listening = on.onProgress(part, partialResultToken, onPart);
  try {
    return await on.sendRequest<Answer>("codeask/ask", { ...question, partialResultToken }, cancel);
  } finally {
    listening.dispose();
  }
}

/* Where a citation is; undefined where its repository has no folder here. Lines count from 0. */
export function placeOf(answer: Answer, cited: Citation): { uri: string; first: number; last: number } | undefined {
  const root = answer.roots[cited.repo];
  if (!root) return undefined;
  return { uri: pathToFileURL(path.join(root, cited.path)).href, first: cited.start_line - 1, last: cited.end_line - 1 };
}

export function labelOf(answer: Answer, cited: Citation): string {
  const many = Object.keys(answer.roots).length > 1 ? `${cited.repo} ` : "";
  return `[${cited.n}] ${many}${cited.path}:${cited.start_line}${cited.symbol ? ` ${cited.symbol}` : ""}`;
}
