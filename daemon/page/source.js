// A file, or what is in a directory, as it is indexed: secrets are masked. It opens at the lines that were cited.
import { call } from "./api.js";
import { coloured } from "./markdown.js";
import { Freshness, Trouble, address, html, useEffect, useLoaded, useRef, useState } from "./ui.js";

const BEFORE = 40; // lines of context above what is cited
const CHUNK = 1000; // lines read at a time

const parts = (path) => path.split("/").filter(Boolean);

const Trail = ({ repo, path }) => html`<nav class="trail" aria-label="path">
  <a href=${address("source", { repo })}>${repo}</a>
  ${parts(path).map((part, i, all) => html`<span>/</span><a href=${address("source", { repo, path: all.slice(0, i + 1).join("/") })}>${part}</a>`)}
</nav>`;

const Directory = ({ repo, path, entries }) => html`<ul class="entries">
  ${entries.map((name) => html`<li key=${name}><a data-row href=${address("source", { repo, path: path ? `${path}/${name}` : name })}>${name}</a></li>`)}
</ul>`;

// Line numbers beside the text; the cited lines lie on a bar of colour. Every line is as high as every other.
function Text({ repo, path, first, text, language, from, to }) {
  const bar = useRef(null);
  const lines = text.replace(/\n$/, "").split("\n");
  useEffect(() => bar.current?.scrollIntoView({ block: "center" }), [from]);
  return html`<div class="source">
    <div class="numbers" aria-hidden="true">${lines.map((_, i) => html`<a key=${first + i} href=${address("source", { repo, path, from: first + i, to: first + i })}>${first + i}</a>`)}</div>
    <div class="body">
      ${from >= first && html`<div ref=${bar} class="bar" style=${{ "--from": from - first, "--count": Math.min(to, first + lines.length - 1) - from + 1 }} />`}
      <pre><code dangerouslySetInnerHTML=${{ __html: coloured(text, language) }} /></pre>
    </div>
  </div>`;
}

export function Source({ params }) {
  const [repo, path, blob] = ["repo", "path", "blob"].map((name) => params.get(name) ?? "");
  const [from, to] = ["from", "to"].map((name) => Number(params.get(name) ?? 0));
  const first = Math.max(1, from - BEFORE);
  const [start, setStart] = useState(first);
  useEffect(() => setStart(first), [repo, path, from]);
  const { value, error } = useLoaded((signal) => call("read", { place: path && from ? `${path}:${start}-${start + CHUNK - 1}` : path || ".", repo: [repo], limit: CHUNK }, signal), [repo, path, start]);
  const more = (at, label) => html`<button type="button" class="link" onClick=${() => setStart(at)}>${label}</button>`;
  return html`<section>
    <${Trail} repo=${repo} path=${path} />
    <${Trouble} error=${error} />
    ${value?.entries && html`<${Directory} repo=${repo} path=${path} entries=${value.entries} />`}
    ${value &&
    value.text !== undefined &&
    html`<p class="quiet"><${Freshness} of=${value.freshness} />${blob && value.blob !== blob && html` · <strong>changed since that answer</strong>`}</p>
      ${value.start_line > 1 && more(Math.max(1, value.start_line - CHUNK), "earlier lines")}
      <${Text} repo=${repo} path=${path} first=${value.start_line} text=${value.text} language=${value.language} from=${from} to=${to || from} />
      ${value.end_line < value.lines && more(value.end_line + 1, "later lines")}`}
  </section>`;
}
