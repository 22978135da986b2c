// People: users, groups, tokens and what each may read.
import { call } from "./api.js";
import { Trouble, html, useLoaded, useState } from "./ui.js";

const day = (ms) => (ms ? new Date(ms).toISOString().slice(0, 10) : "never");

function Form({ label, fields, act, done }) {
  const [error, fail] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const form = event.target;
    try {
      const result = await act(Object.fromEntries([...new FormData(form)].filter(([, v]) => v)));
      fail(null);
      form.reset();
      done(result);
    } catch (e) {
      fail(e);
    }
  };
  return html`<form class="small" onSubmit=${submit}>
    ${fields.map(([name, hint, rest]) => html`<label>${name} <input name=${name} placeholder=${hint} required=${!rest?.optional} list=${rest?.list} /></label>`)}
    <button>${label}</button>
    <${Trouble} error=${error} />
  </form>`;
}

function Remove({ label, act, done }) {
  const [sure, ask] = useState(false);
  const [error, fail] = useState(null);
  if (error) return html`<${Trouble} error=${error} />`;
  if (!sure) return html`<button type="button" class="link" onClick=${() => ask(true)}>${label}</button>`;
  return html`<button type="button" class="warn" onClick=${() => act().then(done, fail)}>${label}: sure?</button> <button type="button" class="link" onClick=${() => ask(false)}>no</button>`;
}

export function Admin({ names }) {
  const [made, show] = useState(null);
  const { value, error, again } = useLoaded(
    (signal) => Promise.all(["user.list", "token.list", "access.list"].map((m) => call(m, {}, signal))),
    [],
  );
  if (error) return html`<${Trouble} error=${error} />`;
  if (!value) return html`<p class="busy" role="status">loading</p>`;
  const [{ users }, { tokens }, { access }] = value;
  return html`<section>
    <h1>People</h1>
    <datalist id="users">${users.map((u) => html`<option value=${u.user} />`)}</datalist>
    <datalist id="repositories">${names.map((n) => html`<option value=${n} />`)}</datalist>
    <h2>Users</h2>
    <div class="wide"><table><tbody>
      ${users.map((u) => html`<tr key=${u.user}><th scope="row">${u.user}</th><td>${u.groups.map((g) => `@${g}`).join(" ")}</td><td>since ${day(u.added)}</td>
        <td><${Remove} label="remove" act=${() => call("user.remove", { name: u.user })} done=${again} /></td></tr>`)}
    </tbody></table></div>
    <${Form} label="Add to the group" fields=${[["group", "ops"], ["user", "ada", { list: "users" }]]} act=${(f) => call("group.add", f)} done=${again} />
    <h2>Tokens</h2>
    ${made && html`<p class="made" role="status">The token of ${made.user}, shown this once: <code>${made.token}</code> <button type="button" onClick=${() => navigator.clipboard?.writeText(made.token)}>copy</button></p>`}
    <div class="wide"><table><tbody>
      ${tokens.map((t) => html`<tr key=${t.id}><th scope="row">${t.user}</th><td><code>${t.id}</code></td><td>${t.scope}</td><td class=${t.expired ? "warn" : ""}>until ${day(t.expires)}</td>
        <td><${Remove} label="revoke" act=${() => call("token.revoke", { name: t.id })} done=${again} /></td></tr>`)}
    </tbody></table></div>
    <${Form} label="Make a token" fields=${[["name", "ada", { list: "users" }], ["expires", "90d", { optional: true }], ["scope", "read,feedback", { optional: true }]]}
      act=${(f) => call("token.create", f)} done=${(t) => (show(t), again())} />
    <h2>Who may read what</h2>
    <div class="wide"><table><tbody>
      ${access.map((g) => html`<tr key=${g.who + g.repo}><th scope="row">${g.who}</th><td>${g.repo}</td>
        <td><${Remove} label="take back" act=${() => call("access.revoke", { who: g.who, repository: g.repo })} done=${again} /></td></tr>`)}
    </tbody></table></div>
    <${Form} label="Grant" fields=${[["who", "ada or @ops", { list: "users" }], ["repository", "courier", { list: "repositories" }]]} act=${(f) => call("access.grant", f)} done=${again} />
  </section>`;
}
