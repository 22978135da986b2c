// Answers as a person reads them. Text of sources and models is never active: no HTML, picture or link is made of it, only citations are links.
import MarkdownIt from "./markdown-it.js";
import hljs from "./highlight.js";
import elixir from "./elixir.js";
import haskell from "./haskell.js";
import ocaml from "./ocaml.js";
import scala from "./scala.js";
import { html, sourceOf } from "./ui.js";

for (const [name, grammar] of Object.entries({ elixir, haskell, ocaml, scala })) hljs.registerLanguage(name, grammar);
hljs.registerAliases(["cuda"], { languageName: "cpp" });
hljs.registerAliases(["tsx"], { languageName: "typescript" });
hljs.registerAliases(["make"], { languageName: "makefile" });
hljs.registerAliases(["html"], { languageName: "xml" });
hljs.registerAliases(["toml"], { languageName: "ini" });

const COLOURED = 200_000; // characters: past it a browser stands still for too long

const escape = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

// HTML: the text escaped, with spans of colour where the language is known.
export const coloured = (text, language) =>
  hljs.getLanguage(language) && text.length < COLOURED ? hljs.highlight(text, { language, ignoreIllegals: true }).value : escape(text);

const md = new MarkdownIt({ html: false, linkify: false, highlight: coloured }).disable(["image", "link", "autolink", "reference", "html_inline", "html_block"]);

// [3] where the third citation is known
md.inline.ruler.before("escape", "citation", (state, silent) => {
  const found = /^\[(\d{1,4})\]/.exec(state.src.slice(state.pos, state.pos + 6));
  const place = found && state.env.citations?.find((c) => c.n === Number(found[1]));
  if (!place) return false;
  if (!silent) {
    const token = state.push("citation", "a", 0);
    token.meta = place;
  }
  state.pos += found[0].length;
  return true;
});
md.renderer.rules.citation = (tokens, i) => {
  const place = tokens[i].meta;
  return `<a class="cite" href="${escape(sourceOf(place))}" title="${escape(`${place.path}:${place.start_line}`)}">${place.n}</a>`;
};

export const Markdown = ({ text, citations = [] }) =>
  html`<div class="markdown" dangerouslySetInnerHTML=${{ __html: md.render(text, { citations }) }} />`;

export const Code = ({ text, language }) =>
  html`<pre><code dangerouslySetInnerHTML=${{ __html: coloured(text, language) }} /></pre>`;
