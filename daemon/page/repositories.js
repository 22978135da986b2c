// Repositories: how fresh each is, and what is being done.
import { call } from "./api.js";
import { Freshness, Trouble, address, html, useEffect, useLoaded } from "./ui.js";

const AT_WORK_MS = 2000; // while the view is looked at and something is under way
const AT_REST_MS = 30000; // each look is a row of the audit

const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`);

function Row({ r }) {
  const f = r.freshness;
  return html`<tr>
    <th scope="row"><a data-row href=${address("source", { repo: r.repo })}>${r.repo}</a><span class="quiet">${r.path}</span></th>
    <td>${f ? html`<${Freshness} of=${f} />` : "not indexed yet"}</td>
    <td>${f && html`<progress max="1" value=${f.embedded} aria-label="embedded" />`}</td>
    <td class="number">${(r.files ?? 0).toLocaleString("en")} files</td>
    <td class="number">${size(r.bytes)}</td>
    <td>${r.quarantined > 0 && html`<span class="warn">${r.quarantined} quarantined</span>`}</td>
    <td><a href=${address("ask", { repo: r.repo })}>ask</a> <a href=${address("search", { repo: r.repo })}>search</a></td>
  </tr>`;
}

const Job = ({ j }) => html`<li>
  ${j.repo}: ${j.stage || j.state}, ${j.files_done} of ${j.files} files
  <progress max=${Math.max(1, j.bytes + j.texts)} value=${j.bytes_done + j.texts_done} aria-label="progress" />
</li>`;

export function RepositoriesView() {
  const { value, error, again } = useLoaded((signal) => call("status", {}, signal), []);
  const atWork = value?.jobs?.length > 0 || value?.repos.some((r) => !r.freshness || r.freshness.embedded < 1 || r.freshness.pending_files);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && again(), atWork ? AT_WORK_MS : AT_REST_MS);
    return () => clearInterval(timer);
  }, [atWork]);
  if (error) return html`<${Trouble} error=${error} />`;
  if (!value) return html`<p class="busy" role="status">loading</p>`;
  return html`<section>
    <h1>Repositories</h1>
    ${value.repos.length
      ? html`<div class="wide"><table><tbody>${value.repos.map((r) => html`<${Row} key=${r.repo} r=${r} />`)}</tbody></table></div>`
      : html`<p>None that you may read. An administrator grants that: <code>codeask access grant USER REPOSITORY</code></p>`}
    ${value.jobs?.length > 0 && html`<h2>At work</h2><ul class="jobs">${value.jobs.map((j, i) => html`<${Job} key=${i} j=${j} />`)}</ul>`}
    <p class="quiet">codeask ${value.version} · ${value.models?.map((m) => `${m.name} (${m.state})`).join(" · ") || "no model"}</p>
  </section>`;
}
