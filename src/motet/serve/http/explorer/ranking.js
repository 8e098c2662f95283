// A list of recommendations: scores as bars, reasons, and how far an item has moved.

import * as catalogue from "./catalogue.js";
import { calm, h } from "./dom.js";
import { score, short } from "./format.js";
import { colour } from "./objectives.js";
import * as state from "./state.js";

const MOVE_MS = 260;
const COLUMNS = 2;
const ID = /(^|_)id$/i; // a number that tells a reader nothing

/** The ends of each task's bars, over every list on the page: from 0 or, if scores are negative, the lowest, to the highest. */
export function scales(tasks, lists) {
  const ends = tasks.map(({ name }) => {
    const all = lists.flat().map((item) => item.tasks?.[name]).filter(Number.isFinite);
    return [name, [Math.min(0, ...all), Math.max(...all, 0)]];
  });
  return Object.fromEntries(ends);
}

/**
 * Draws `items` into the ordered list `list`; rows that were there before glide to their new places.
 *
 * @param before Ids in their order under the model's own weights, or null if nothing was changed.
 * @param beside Ids of the other model's list, or null if there is none.
 */
export function draw(list, items, { tasks, ends, before, beside, onlook }) {
  const old = new Map([...list.children].map((row) => [row.dataset.id, row.getBoundingClientRect().top]));
  const focused = list.contains(document.activeElement) && document.activeElement.closest("li")?.dataset.id;
  const rows = items.map((item, index) => row(item, index, { tasks, ends, before, beside, onlook }));
  list.replaceChildren(...rows);
  if (focused) rows.find((one) => one.dataset.id === focused)?.querySelector("button").focus();
  if (!calm() && old.size) rows.forEach((one) => glide(one, old.get(one.dataset.id)));
}

function glide(row, from) {
  if (from === undefined) return row.animate([{ opacity: 0 }, { opacity: 1 }], MOVE_MS);
  const by = from - row.getBoundingClientRect().top;
  return by && row.animate([{ transform: `translateY(${by}px)` }, { transform: "none" }], { duration: MOVE_MS, easing: "ease-out" });
}

function row(item, index, { tasks, ends, before, beside, onlook }) {
  const reasons = item.reasons ?? [];
  const look = (on) => () => onlook(on ? reasons.map((reason) => String(reason.id)) : []);
  return h(
    "li",
    { class: "pick", dataset: { id: String(item.id) }, onpointerenter: look(true), onpointerleave: look(false), onfocusin: look(true), onfocusout: look(false) },
    h("span", { class: "rank", "aria-hidden": "true" }, index + 1),
    h("div", { class: "what" }, heading(item), about(item.id), why(reasons)),
    h("div", { class: "aside" }, before && movement(item.id, index, before), beside && elsewhere(item.id, beside), add(item.id)),
    h("div", { class: "bars" }, tasks.map((task) => bar(task, item.tasks?.[task.name], ends[task.name], colour(tasks, task.name)))),
  );
}

const heading = (item) =>
  h("button", { type: "button", class: "title", onclick: () => state.set({ item: String(item.id) }) }, catalogue.title(item.id));

function about(id) {
  const values = catalogue.columns(id).filter(([name]) => !ID.test(name)).slice(0, COLUMNS).map(([, value]) => (Array.isArray(value) ? value.join(", ") : String(value)));
  return values.length > 0 && h("p", { class: "faint" }, values.join(" · "));
}

const why = (reasons) =>
  reasons.length > 0 && h("p", { class: "why" }, "similar to ", reasons.flatMap((reason, at) => [at ? ", " : "", because(reason)]));

const because = ({ id, similarity }) =>
  h("span", {}, h("em", {}, catalogue.title(id)), " ", h("span", { class: "faint" }, short(similarity)));

const add = (id) =>
  !state.get().with.includes(String(id)) &&
  h(
    "button",
    {
      type: "button", class: "round", title: "What if this were in the history?", "aria-label": `What if ${catalogue.title(id)} were in the history?`,
      onclick: () => state.set({ with: [...state.get().with, String(id)] }),
    },
    "+",
  );

function movement(id, index, before) {
  const was = before.indexOf(String(id));
  if (was === index) return null;
  if (was < 0) return h("span", { class: "moved new" }, "new");
  const [sign, word] = was > index ? ["▲", "up"] : ["▼", "down"];
  const steps = Math.abs(was - index);
  return h("span", { class: `moved ${word}` }, h("span", { "aria-hidden": "true" }, `${sign} ${steps}`), h("span", { class: "unseen" }, `${word} ${steps}`));
}

function elsewhere(id, beside) {
  const at = beside.indexOf(String(id));
  return at < 0 ? h("span", { class: "moved new" }, "only here") : h("span", { class: "moved" }, `no. ${at + 1} there`);
}

/** One task of one item: its name, a bar on the task's own scale, the number in the task's unit. */
function bar(task, value, [low, high], shade) {
  const fill = h("span", { class: "fill" });
  const part = high > low && Number.isFinite(value) ? (value - low) / (high - low) : 0;
  fill.style.setProperty("width", `${Math.max(2, 100 * part)}%`);
  return h(
    "div",
    { class: `score ${shade}` },
    h("span", { class: "task" }, task.name),
    h("span", { class: "track", "aria-hidden": "true" }, fill),
    h("span", { class: "value" }, score(value, task)),
  );
}
