/* The ask panel's page: what was asked and answered, one below the other. It runs no script but its own, and loads nothing. Messages to it: see
 * Shown; from it: see Said in panel.ts. */

export type Shown =
  | { busy: boolean } // the last question is worked on, or not any more
  | { asked: string } // a question begins
  | { html: string } // its answer so far
  | { sources: { n: number; label: string }[] }
  | { error: string }
  | { cleared: true };

const STYLE = `
body { display: flex; flex-direction: column; height: 100vh; box-sizing: border-box; margin: 0; padding: 0 16px 12px; line-height: 1.5; }
#turns { flex: 1; overflow-y: auto; }
#hint { color: var(--vscode-descriptionForeground); margin-top: 24px; }
article { padding: 12px 0; border-bottom: 1px solid var(--vscode-panel-border, rgba(128, 128, 128, .35)); }
article:last-child { border-bottom: 0; }
h2 { font-size: 1.05em; font-weight: 600; margin: 0 0 8px; white-space: pre-wrap; }
.answer :first-child { margin-top: 0; }
.answer pre { background: var(--vscode-textCodeBlock-background); padding: 8px; overflow-x: auto; border-radius: 3px; }
.answer code { font-family: var(--vscode-editor-font-family, monospace); font-size: .95em; }
.busy .answer:empty::after { content: "Looking \\2026"; color: var(--vscode-descriptionForeground); }
.busy .answer > :last-child::after { content: "\\258D"; color: var(--vscode-descriptionForeground); }
.sources { list-style: none; margin: 10px 0 0; padding: 0; }
button { font: inherit; cursor: pointer; }
.sources button, .ref { border: 0; background: none; padding: 0; color: var(--vscode-textLink-foreground); text-align: left; }
.sources button { font-family: var(--vscode-editor-font-family, monospace); font-size: .92em; padding: 1px 0 1px 2.4em; text-indent: -2.4em; overflow-wrap: anywhere; }
.sources button:hover, .ref:hover { text-decoration: underline; color: var(--vscode-textLink-activeForeground); }
.error { color: var(--vscode-errorForeground); margin: 8px 0 0; }
form { display: flex; gap: 8px; align-items: flex-end; padding-top: 10px; }
textarea { flex: 1; box-sizing: border-box; resize: vertical; font: inherit; padding: 6px 8px; color: var(--vscode-input-foreground); background: var(--vscode-input-background); border: 1px solid var(--vscode-input-border, var(--vscode-panel-border, transparent)); border-radius: 2px; }
textarea:focus { outline: 1px solid var(--vscode-focusBorder); outline-offset: -1px; }
form button { border: 0; border-radius: 2px; padding: 6px 12px; color: var(--vscode-button-foreground); background: var(--vscode-button-background); }
form button:hover { background: var(--vscode-button-hoverBackground); }
form button.second { color: var(--vscode-button-secondaryForeground, inherit); background: var(--vscode-button-secondaryBackground, transparent); }
[hidden] { display: none; }
`;

const SCRIPT = `
const vscode = acquireVsCodeApi(), by = (id) => document.getElementById(id);
let turn = 0, last = null;

function made(name, into, className, text) {
  const e = document.createElement(name);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  into.append(e);
  return e;
}

/* [3] in the answer's text opens its source. */
function linkRefs(root, of) {
  const texts = [], walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) if (!walk.currentNode.parentElement.closest("pre, code, a")) texts.push(walk.currentNode);
  for (const node of texts) {
    const parts = node.textContent.split(/(\\[\\d+\\])/);
    if (parts.length < 2) continue;
    const all = document.createDocumentFragment();
    parts.forEach((part, i) => {
      if (i % 2) made("button", all, "ref", part).addEventListener("click", () => vscode.postMessage({ open: { turn: of, n: Number(part.slice(1, -1)) } }));
      else all.append(part);
    });
    node.replaceWith(all);
  }
}

function begin(question) {
  by("hint").hidden = true;
  const all = made("article", by("turns"));
  made("h2", all, "", question);
  last = { turn: turn++, all, answer: made("div", all, "answer"), sources: made("ol", all, "sources"), error: made("p", all, "error") };
  last.answer.setAttribute("aria-live", "polite");
  last.error.setAttribute("role", "alert");
  last.error.hidden = true;
}

function atEnd() {
  const t = by("turns");
  return t.scrollTop + t.clientHeight >= t.scrollHeight - 40;
}

window.addEventListener("message", ({ data }) => {
  const follow = atEnd() || data.asked !== undefined;
  if (data.cleared) { by("turns").replaceChildren(); by("hint").hidden = false; last = null; turn = 0; }
  if (data.asked !== undefined) begin(data.asked);
  if (data.busy !== undefined) { by("stop").hidden = !data.busy; by("ask").hidden = data.busy; if (last) last.all.className = data.busy ? "busy" : ""; }
  if (data.error && last) { last.error.textContent = data.error; last.error.hidden = false; }
  if (data.html !== undefined && last) { last.answer.innerHTML = data.html; linkRefs(last.answer, last.turn); }
  if (data.sources && last) {
    last.sources.replaceChildren();
    const of = last.turn;
    for (const s of data.sources)
      made("button", made("li", last.sources), "", s.label).addEventListener("click", () => vscode.postMessage({ open: { turn: of, n: s.n } }));
  }
  by("fresh").hidden = !last;
  if (follow) by("turns").scrollTop = by("turns").scrollHeight;
});

function ask() {
  const text = by("question").value.trim();
  if (!text || by("ask").hidden) return;
  by("question").value = "";
  vscode.postMessage({ ask: text });
}
by("form").addEventListener("submit", (e) => { e.preventDefault(); ask(); });
by("question").addEventListener("keydown", (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); ask(); }
  if (e.key === "Escape") vscode.postMessage({ stop: true });
});
by("stop").addEventListener("click", () => vscode.postMessage({ stop: true }));
by("fresh").addEventListener("click", () => { vscode.postMessage({ fresh: true }); by("question").focus(); });
by("question").focus();
`;

export function page(nonce: string): string {
  return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>codeask</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'">
<style nonce="${nonce}">${STYLE}</style></head><body>
<div id="turns"></div>
<p id="hint">Ask how something works, where it is, why it is so. Answers name the lines that they were made of.</p>
<form id="form">
<textarea id="question" rows="2" placeholder="Ask about this code" title="Enter asks, Shift+Enter breaks the line, Escape stops" aria-label="Question"></textarea>
<button id="ask" type="submit">Ask</button><button id="stop" type="button" hidden>Stop</button>
<button id="fresh" class="second" type="button" hidden title="Forget this conversation and begin another">New</button>
</form>
<script nonce="${nonce}">${SCRIPT}</script></body></html>`;
}
