// What the views share: elements, links, and small pieces.
import { h, render } from "./preact.js";
import { useEffect, useRef, useState } from "./hooks.js";
import htm from "./htm.js";

export const html = htm.bind(h);
export { render, useEffect, useRef, useState };

// "#/search?query=…": the address of a view. Values that are null, false or empty are left out; a list is repeated.
export function address(view, params = {}) {
  const q = new URLSearchParams();
  for (const [key, value] of Object.entries(params))
    for (const one of Array.isArray(value) ? value : [value]) if (one !== null && one !== undefined && one !== false && one !== "") q.append(key, one);
  return `#/${view}${q.size ? `?${q}` : ""}`;
}

export const sourceOf = (place) =>
  address("source", { repo: place.repo, path: place.path, from: place.start_line, to: place.end_line, blob: place.blob });

// What `load` resolves to, anew when one of `with_` changes and on again(); the one before is cancelled.
export function useLoaded(load, with_) {
  const [state, set] = useState({});
  const [round, setRound] = useState(0);
  useEffect(() => {
    const control = new AbortController();
    set((s) => ({ ...s, loading: true }));
    load(control.signal)
      .then((value) => set({ value }))
      .catch((error) => error.name === "AbortError" || set({ error }));
    return () => control.abort();
  }, [...with_, round]);
  return { ...state, again: () => setRound((n) => n + 1) };
}

export const Trouble = ({ error }) =>
  error && html`<div class="trouble" role="alert"><strong>${error.message}</strong>${error.hint && html`<span>${error.hint}</span>`}</div>`;

export const Lines = ({ place }) => html`<span class="place"><b>${place.path}</b>:${place.start_line}${place.end_line > place.start_line ? `–${place.end_line}` : ""}</span>`;

export function Freshness({ of }) {
  if (!of) return null;
  const parts = [of.commit ? of.commit.slice(0, 7) : "no commit"];
  if (of.dirty) parts.push("uncommitted changes");
  if (of.pending_files) parts.push(`${of.pending_files} files to come`);
  parts.push(`${Math.floor(of.embedded * 100)}% embedded`);
  return html`<span>${parts.join(" · ")}</span>`;
}

// Which repositories are asked; none chosen: all of them.
export function Repositories({ names, chosen, choose }) {
  if (names.length < 2) return null;
  const toggle = (name) => choose(chosen.includes(name) ? chosen.filter((n) => n !== name) : [...chosen, name]);
  return html`<fieldset class="chips">
    <legend>Repositories</legend>
    <button type="button" aria-pressed=${!chosen.length} onClick=${() => choose([])}>all</button>
    ${names.map((name) => html`<button type="button" key=${name} aria-pressed=${chosen.includes(name)} onClick=${() => toggle(name)}>${name}</button>`)}
  </fieldset>`;
}

export const scope = (repos) => (repos.length ? { repo: repos } : { all_repos: true });
