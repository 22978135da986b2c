// Ask: a conversation, each answer with the places that it rests on.
import { call, stream } from "./api.js";
import { Markdown } from "./markdown.js";
import { Freshness, Lines, Repositories, Trouble, html, scope, sourceOf, useEffect, useRef, useState } from "./ui.js";

const EXAMPLES = ["where does the program start?", "how are errors handled?", "what should I read first?"];

const Citations = ({ of }) =>
  of.length > 0 &&
  html`<ol class="citations">
    ${of.map((c) => html`<li key=${c.n} value=${c.n}><a href=${sourceOf(c)} data-row><${Lines} place=${c} /> <span class="symbol">${c.symbol}</span></a></li>`)}
  </ol>`;

function Verdict({ id }) {
  const [said, say] = useState(null);
  const [error, fail] = useState(null);
  const give = (verdict) => call("feedback", { id, verdict }).then(() => say(verdict), fail);
  if (error) return html`<${Trouble} error=${error} />`;
  if (said) return html`<span class="quiet">noted: ${said}</span>`;
  return html`<span class="verdict">
    <button type="button" onClick=${() => give("good")} title="a good answer">good</button>
    <button type="button" onClick=${() => give("bad")} title="a bad answer">bad</button>
  </span>`;
}

function Turn({ turn, may }) {
  const a = turn.answer;
  const text = turn.text || a?.answer || "";
  const took = a && Object.values(a.timings ?? {}).reduce((sum, ms) => sum + ms, 0);
  return html`<article class="turn">
    <h2>${turn.question}</h2>
    ${turn.busy && html`<p class="busy" role="status">${turn.progress || (text ? "writing" : "looking")}</p>`}
    ${text && html`<${Markdown} text=${text} citations=${a?.citations} />`}
    <${Trouble} error=${turn.error} />
    ${a && html`<${Citations} of=${a.citations} />`}
    ${a &&
    !turn.busy &&
    html`<footer>
      <span>${turn.stopped ? "stopped" : a.mode}</span>${a.model && html`<span>${a.model}</span>`}<${Freshness} of=${a.freshness} /><span>${Math.round(took)} ms</span>
      ${may.feedback && html`<${Verdict} id=${a.id} />`}
    </footer>`}
  </article>`;
}

// What an event of progress says, in a line: of an index that is being made, or of the model that reads.
function said(p) {
  for (const of of ["files", "texts", "tokens"]) if (p[of]) return `${p.repo ? `${p.repo}: ` : ""}${p.stage}, ${p[`${of}_done`]} of ${p[of]} ${of}`;
  return p.stage;
}

export function Ask({ params, names, may, thread, setThread }) {
  const [repos, choose] = useState(params.getAll("repo"));
  const [busy, setBusy] = useState(null); // the AbortController of what is being asked
  const box = useRef(null);
  const end = useRef(null);
  const change = (with_) => setThread((turns) => [...turns.slice(0, -1), { ...turns.at(-1), ...(typeof with_ === "function" ? with_(turns.at(-1)) : with_) }]);

  async function ask(question) {
    if (!question.trim() || busy) return;
    const control = new AbortController();
    const last = thread.findLast((turn) => turn.ended)?.answer.conversation;
    setBusy(control);
    setThread((turns) => [...turns, { question, busy: true, text: "" }]);
    box.current.value = "";
    try {
      const answer = await stream(
        "ask",
        { query: question, ...scope(repos), ...(last ? { continue: last } : {}) },
        (name, o) => {
          if (name === "progress") change({ progress: said(o) });
          else if (o.extractive) change({ answer: o.extractive, progress: "the model reads" });
          else if (o.delta) change((turn) => ({ text: turn.text + o.delta, progress: null }));
        },
        control.signal,
      );
      change({ answer, text: answer.answer, busy: false, ended: true });
    } catch (error) {
      change(error.name === "AbortError" ? { busy: false, stopped: true } : { error, busy: false });
    }
    setBusy(null);
    box.current?.focus();
  }

  useEffect(() => end.current?.scrollIntoView({ block: "nearest" }), [thread.length]);
  useEffect(() => {
    const question = params.get("query");
    if (question && thread.at(-1)?.question !== question) ask(question);
  }, [params]);

  const submit = (event) => {
    event.preventDefault();
    ask(box.current.value);
  };
  const onKey = (event) => event.key === "Enter" && !event.shiftKey && !event.isComposing && submit(event);
  return html`<section class="ask">
    ${!thread.length &&
    html`<div class="welcome">
      <h1>Ask about the code</h1>
      <p>Every answer names the lines that it rests on. Nothing leaves this server.</p>
      <ul class="examples">${EXAMPLES.map((q) => html`<li key=${q}><button type="button" onClick=${() => ask(q)}>${q}</button></li>`)}</ul>
    </div>`}
    ${thread.map((turn, i) => html`<${Turn} key=${i} turn=${turn} may=${may} />`)}
    <div ref=${end} />
    <form class="asker" onSubmit=${submit}>
      <${Repositories} names=${names} chosen=${repos} choose=${choose} />
      <div class="row">
        <textarea ref=${box} rows="2" data-query aria-label="question" placeholder=${thread.length ? "and then?" : "where is the retry policy?"} onKeyDown=${onKey} autofocus />
        ${busy ? html`<button type="button" onClick=${() => busy.abort()}>Stop</button>` : html`<button class="main">Ask</button>`}
      </div>
      ${thread.length > 0 && !busy && html`<button type="button" class="link" onClick=${() => setThread([])}>new conversation</button>`}
    </form>
  </section>`;
}
