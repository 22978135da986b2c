// The frame: who sits here, which view is open, light or dark.
import { Admin } from "./admin.js";
import { call, keepToken, token } from "./api.js";
import { Ask } from "./ask.js";
import { KEYS, listen } from "./keys.js";
import { RepositoriesView } from "./repositories.js";
import { Search } from "./search.js";
import { Source } from "./source.js";
import { Trouble, address, html, render, useEffect, useState } from "./ui.js";

// To add a view: its row. A view with `label` is in the menu; `needs` is the scope that it is shown for.
const VIEWS = {
  ask: { label: "Ask", view: Ask },
  search: { label: "Search", view: Search },
  repositories: { label: "Repositories", view: RepositoriesView },
  people: { label: "People", view: Admin, needs: "admin" },
  source: { view: Source },
};
const THEMES = ["system", "light", "dark"];

function read() {
  const [view, query] = location.hash.replace(/^#\//, "").split("?");
  return { view: VIEWS[view] ? view : "ask", params: new URLSearchParams(query) };
}

const go = (to) => (location.hash = to);

function SignIn({ error, enter }) {
  const submit = (event) => {
    event.preventDefault();
    enter(event.target.elements.token.value.trim());
  };
  return html`<main class="sign-in">
    <form onSubmit=${submit}>
      <h1>codeask</h1>
      <p>A token is wanted. Whoever runs this server makes it: <code>codeask token create YOUR-NAME</code></p>
      <input name="token" type="password" aria-label="token" placeholder="codeask_…" autocomplete="current-password" required autofocus />
      <button class="main">Enter</button>
      <p class="quiet">It is kept for this tab alone.</p>
      ${token() && html`<${Trouble} error=${error} />`}
    </form>
  </main>`;
}

function Theme() {
  const [theme, set] = useState(localStorage.getItem("codeask-theme") ?? "system");
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("codeask-theme", theme);
  }, [theme]);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  return html`<button type="button" class="link" onClick=${() => set(next)} title=${`colours: ${theme}`} aria-label=${`colours: ${theme}; next: ${next}`}>
    ${{ system: "◐", light: "☀", dark: "☾" }[theme]}
  </button>`;
}

const Keys = () => html`<dialog class="keys">
  <h2>Keys</h2>
  <dl>${KEYS.map(([key, what]) => html`<dt><kbd>${key}</kbd></dt><dd>${what}</dd>`)}</dl>
  <form method="dialog"><button autofocus>Close</button></form>
</dialog>`;

function App() {
  const [at, setAt] = useState(read);
  const [who, setWho] = useState(null); // {names, access} or {error}
  const [thread, setThread] = useState([]); // of Ask: it outlives a look at another view
  const enter = async (text) => {
    if (text !== undefined) keepToken(text);
    try {
      const [list, self] = await Promise.all([call("repo.list"), call("self")]);
      setWho({ names: list.repos.map((r) => r.repo), user: self.user, access: self.access });
    } catch (error) {
      setWho({ error });
    }
  };
  useEffect(() => {
    enter();
    const move = () => setAt(read());
    addEventListener("hashchange", move);
    return () => removeEventListener("hashchange", move);
  }, []);
  if (!who) return html`<p class="busy" role="status">loading</p>`;
  if (who.error?.status === 401) return html`<${SignIn} error=${who.error} enter=${enter} />`;
  if (who.error) return html`<main><${Trouble} error=${who.error} /></main>`;
  const may = Object.fromEntries(who.access.map((name) => [name, true]));
  const leave = () => {
    setThread([]);
    enter(null);
  };
  const { view: View } = VIEWS[at.view];
  return html`<a class="skip" href="#main" onClick=${(e) => (e.preventDefault(), document.getElementById("main").focus())}>to the content</a>
    <header>
      <a class="brand" href="#/ask">codeask</a>
      <nav aria-label="views">
        ${Object.entries(VIEWS)
          .filter(([, v]) => v.label && (!v.needs || may[v.needs]))
          .map(([name, v]) => html`<a key=${name} href=${address(name)} aria-current=${at.view === name ? "page" : null}>${v.label}</a>`)}
      </nav>
      <${Theme} />
      <button type="button" class="link" title="keys" aria-label="keys" onClick=${() => document.querySelector("dialog.keys").showModal()}>?</button>
      ${token() && html`<button type="button" class="link" onClick=${leave} title=${`signed in as ${who.user}`}>leave</button>`}
    </header>
    <main id="main" tabindex="-1"><${View} key=${at.view} params=${at.params} names=${who.names} may=${may} go=${go} thread=${thread} setThread=${setThread} /></main>
    <${Keys} />`;
}

listen();
render(html`<${App} />`, document.body);
