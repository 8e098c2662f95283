// One item in a dialog: its columns and its nearest items.

import * as api from "./api.js";
import * as catalogue from "./catalogue.js";
import { empty, failure, h, latest, skeleton } from "./dom.js";
import { cell, short } from "./format.js";
import * as state from "./state.js";

const NEIGHBOURS = 10;

export function itemDialog() {
  const dialog = document.getElementById("item");
  const run = latest();
  const leave = () => state.set({ item: null });
  let shown = null; // the close event comes late: by then another item may be open
  dialog.addEventListener("close", () => shown !== null && state.get().item === shown && leave());
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && leave());

  async function show(current) {
    if (current.item === null) {
      shown = null;
      return dialog.open && dialog.close();
    }
    const id = current.item;
    await catalogue.fetchItems([id]);
    if (state.get().item !== id) return null;
    const near = h("div", { class: "near", "aria-busy": "true" }, skeleton(6));
    const title = h("h2", { id: "item-title", tabindex: "-1" }, catalogue.title(id));
    dialog.replaceChildren(
      h("div", { class: "head" }, title, h("button", { type: "button", class: "round", "aria-label": "Close", onclick: leave }, "×")),
      facts(id),
      h("div", { class: "tools" }, whatIf(id, current), onMap(id)),
      h("h3", { id: "near-title" }, "Nearest items"),
      near,
    );
    if (!dialog.open) dialog.showModal();
    shown = id;
    title.focus();
    await neighbours(id, current, near);
    return null;
  }

  async function neighbours(id, current, near) {
    try {
      const answer = await run(async (signal) => {
        const answer = await api.similar({ item: id, k: NEIGHBOURS, model: current.model }, signal);
        await catalogue.fetchItems(answer.items.map((item) => item.id), signal);
        return answer;
      });
      if (!answer) return;
      near.replaceChildren(answer.items.length ? h("ol", { "aria-labelledby": "near-title" }, answer.items.map(neighbour)) : empty("There are no other items."));
    } catch (error) {
      near.replaceChildren(failure(error, () => neighbours(id, current, near)));
    }
    near.removeAttribute("aria-busy");
  }
  return { show };
}

function facts(id) {
  const rows = catalogue.columns(id).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, cell(value))]);
  return rows.length > 0 ? h("dl", { class: "facts" }, rows) : h("p", { class: "note" }, "The catalogue has only its id.");
}

function whatIf(id, current) {
  const there = current.with.includes(id);
  const add = () => state.set({ item: null, view: "people", guest: current.user === null, with: [...current.with, id] });
  return h("button", { type: "button", class: "main", disabled: there, onclick: add }, there ? "Already added" : "What if it were in the history?");
}

const onMap = (id) =>
  h("button", { type: "button", onclick: () => { state.set({ item: null, view: "map" }); window.dispatchEvent(new CustomEvent("motet-find", { detail: id })); } }, "Show on the map");

function neighbour({ id, score }) {
  const fill = h("span", { class: "fill" });
  fill.style.setProperty("width", `${Math.max(2, 100 * Math.min(1, Math.max(0, score)))}%`);
  return h(
    "li",
    {},
    h("button", { type: "button", class: "title", onclick: () => state.set({ item: String(id) }) }, catalogue.title(id)),
    h("span", { class: "track", "aria-hidden": "true" }, fill),
    h("span", { class: "value" }, short(score)),
  );
}
