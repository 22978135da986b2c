// Keyboard first. To add a key: its row.
import { address } from "./ui.js";

const rows = () => [...document.querySelectorAll("[data-row]")];

function step(by) {
  const all = rows();
  const at = all.indexOf(document.activeElement);
  (all[at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by] ?? all[at])?.focus();
}

export const KEYS = [
  ["/", "to the question", () => document.querySelector("[data-query]")?.focus()],
  ["j", "the next place", () => step(1)],
  ["k", "the place before", () => step(-1)],
  ["a", "ask", () => (location.hash = address("ask"))],
  ["s", "search", () => (location.hash = address("search"))],
  ["r", "repositories", () => (location.hash = address("repositories"))],
  ["?", "these keys", () => document.querySelector("dialog.keys")?.showModal()],
];

export function listen() {
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "Escape" && typing) return event.target.blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const row = KEYS.find(([key]) => key === event.key);
    if (!row) return;
    event.preventDefault();
    row[2]();
  });
}
