// Search: the places that fit best, with filters. What is asked stands in the address, so that it can be handed on.
import { call } from "./api.js";
import { Code } from "./markdown.js";
import { Freshness, Lines, Repositories, Trouble, address, html, scope, sourceOf, useLoaded, useRef, useState } from "./ui.js";

const KINDS = ["function", "method", "class", "struct", "interface", "enum", "type", "constant", "variable", "module", "test"];
const TEXTS = ["path", "lang", "kind", "branch"];
const SWITCHES = { regex: "expression", unique_files: "one result a file" };
const SHOWN = 20;

const Result = ({ r }) => html`<li>
  <a class="head" href=${sourceOf(r)} data-row>
    <${Lines} place=${r} /> <span class="symbol">${r.breadcrumb || r.symbol}</span>
    <span class="quiet">${[r.kind, r.language, r.repo].filter(Boolean).join(" · ")}</span>
  </a>
  <${Code} text=${r.snippet} language=${r.language} />
</li>`;

function Results({ params }) {
  const query = params.get("query");
  const { value, error, loading } = useLoaded(
    async (signal) => {
      if (!query) return null;
      const asked = { query, limit: SHOWN, ...scope(params.getAll("repo")) };
      for (const name of TEXTS) if (params.get(name)) asked[name] = params.get(name);
      for (const name in SWITCHES) if (params.get(name)) asked[name] = true;
      return call("search", asked, signal);
    },
    [params.toString()],
  );
  if (error) return html`<${Trouble} error=${error} />`;
  if (!value) return loading && query && html`<p class="busy" role="status">searching</p>`;
  return html`<div aria-busy=${!!loading}>
    <p class="quiet" role="status">${value.results.length || "no"} places · ${value.took_ms.toFixed(1)} ms · <${Freshness} of=${value.freshness} /></p>
    <ol class="results">${value.results.map((r, i) => html`<${Result} key=${i} r=${r} />`)}</ol>
  </div>`;
}

export function Search({ params, names, go }) {
  const form = useRef(null);
  const [repos, choose] = useState(params.getAll("repo"));
  const submit = (event) => {
    event?.preventDefault();
    go(address("search", { ...Object.fromEntries(new FormData(form.current)), repo: repos }));
  };
  return html`<section>
    <form ref=${form} class="searcher" onSubmit=${submit}>
      <div class="row">
        <input name="query" type="search" data-query aria-label="search" placeholder='what it does, a name, or "the very text"' defaultValue=${params.get("query")} autofocus />
        <button class="main">Search</button>
      </div>
      <${Repositories} names=${names} chosen=${repos} choose=${choose} />
      <details open=${[...TEXTS, ...Object.keys(SWITCHES)].some((n) => params.get(n))}>
        <summary>Filters</summary>
        <div class="filters">
          <label>below <input name="path" placeholder="src/net/" defaultValue=${params.get("path")} /></label>
          <label>language <input name="lang" placeholder="python" defaultValue=${params.get("lang")} /></label>
          <label>kind <input name="kind" list="kinds" defaultValue=${params.get("kind")} /></label>
          <datalist id="kinds">${KINDS.map((k) => html`<option value=${k} />`)}</datalist>
          <label>branch <input name="branch" placeholder="main" defaultValue=${params.get("branch")} /></label>
          ${Object.entries(SWITCHES).map(([name, label]) => html`<label class="switch"><input type="checkbox" name=${name} value="1" defaultChecked=${!!params.get(name)} /> ${label}</label>`)}
        </div>
      </details>
    </form>
    <${Results} params=${params} />
  </section>`;
}
