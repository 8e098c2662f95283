// The catalogue as a map, where near means similar; beside it a list of what is in view, for the keyboard and screen readers.

import * as api from "./api.js";
import * as catalogue from "./catalogue.js";
import { debounce, empty, failure, h, skeleton } from "./dom.js";
import { plural } from "./format.js";
import { Plot } from "./plot.js";
import { searchField } from "./search.js";
import * as state from "./state.js";

const LIMIT = 5000;
const LISTED = 40;
const FOUND_ZOOM = 8;
const EVENTS = 1000;

export function mapView() {
  const canvas = h("canvas", { tabindex: "0", role: "application", "aria-label": "Map of the catalogue", "aria-describedby": "map-keys" });
  const tip = h("p", { class: "tip", hidden: true, "aria-hidden": "true" });
  const list = h("ol", { class: "inview" });
  const note = h("p", { class: "note" });
  const plot = new Plot(canvas, { onhover: debounce(hover, 20), onopen: ({ id }) => state.set({ item: String(id) }), onmove: debounce(listed, 150) });
  const legend = swatches();
  const zoom = (label, words, run) => h("button", { type: "button", class: "round", "aria-label": words, onclick: run }, label);
  const stage = h(
    "div",
    { class: "stage" },
    canvas,
    tip,
    h("div", { class: "zoom" }, zoom("+", "Zoom in", () => plot.closer(1.6)), zoom("−", "Zoom out", () => plot.closer(1 / 1.6)), zoom("⤢", "Show everything", () => plot.reset())),
  );
  const search = searchField({ label: "Find an item", placeholder: "Search items", nothing: "No such item.", find, choose: ({ id }) => go(String(id)) });
  const body = h("div", { class: "atlas" });
  const view = h(
    "div",
    { class: "map" },
    h("h1", {}, "Map of the catalogue"),
    h("p", { class: "note" }, "Each dot is an item. Items that are close to each other are similar to the model; a bigger dot has more events. The axes are the two directions in which items differ most."),
    body,
  );
  const side = h("section", { class: "panel", "aria-labelledby": "inview-title" }, search.field, h("h2", { id: "inview-title" }, "In view"), note, list);
  const main = h("div", {}, stage, legend.element, h("p", { id: "map-keys", class: "note" }, "Drag, or use the arrow keys, to move; use the wheel, or + and −, to zoom. 0 shows everything, Enter opens the item in the middle."));
  let loaded = false;
  let wanted = null;

  async function find(text, signal) {
    const { items } = await api.items({ search: text, limit: 8 }, signal);
    items.forEach(catalogue.keep);
    return items.map(({ id }) => ({ id, text: catalogue.title(id) }));
  }

  async function load() {
    body.replaceChildren(skeleton(12));
    try {
      const { items } = await api.map(LIMIT);
      loaded = true;
      body.replaceChildren(...(items.length ? [main, side] : [empty("The catalogue is empty.")]));
      plot.fill(items);
      await highlight(state.get());
      if (wanted) go(wanted);
    } catch (error) {
      body.replaceChildren(failure(error, load));
    }
  }

  /** Marks the user's history, the added items and the item that was searched for. */
  async function highlight(current) {
    const seen = current.user === null ? [] : (await api.history(current.user, EVENTS).catch(() => ({ items: [] }))).items;
    legend.show(seen.length > 0, current.with.length > 0, wanted !== null);
    plot.colours = legend.colours();
    const mark = (ids, colour, size) => ({ ids: new Set(ids.map(String)), colour, size });
    plot.marks = [mark(seen.map((item) => item.id), plot.colours.seen, 4), mark(current.with, plot.colours.added, 5.5), mark(wanted ? [wanted] : [], plot.colours.found, 7)];
    plot.draw();
  }

  function go(id) {
    wanted = id;
    if (!loaded) return;
    const point = plot.points.find((one) => String(one.id) === id);
    if (point) plot.look(point.u, point.v, FOUND_ZOOM);
    note.textContent = point ? "" : `${catalogue.title(id)} is not on this map, which shows the items with the most events.`;
    highlight(state.get());
  }
  window.addEventListener("motet-find", ({ detail }) => go(detail));

  async function hover(point) {
    tip.hidden = !point;
    canvas.classList.toggle("over", Boolean(point));
    if (!point) return;
    const [left, top] = plot.place(point);
    tip.classList.toggle("flip", left > canvas.clientWidth / 2);
    tip.style.setProperty("translate", `${left}px ${top}px`);
    tip.textContent = catalogue.title(point.id);
    await catalogue.fetchItems([point.id]);
    tip.textContent = catalogue.title(point.id);
  }

  async function listed() {
    const all = plot.inView();
    const first = all.slice(0, LISTED);
    await catalogue.fetchItems(first.map(({ id }) => id));
    note.textContent = all.length > LISTED ? `The ${LISTED} with the most events out of ${plural(all.length, "item")}.` : plural(all.length, "item");
    list.replaceChildren(...first.map(entry));
  }

  const entry = ({ id, count }) =>
    h("li", {}, h("button", { type: "button", class: "title", onclick: () => state.set({ item: String(id) }) }, catalogue.title(id)), count !== undefined && h("span", { class: "faint" }, plural(count, "event")));

  return {
    view,
    refresh(current, changed) {
      if (!loaded) load();
      else if (["user", "with", "view"].some((name) => changed.has(name))) highlight(current);
    },
    repaint: () => loaded && highlight(state.get()),
  };
}

/** The legend; the canvas takes the theme's colours from its swatches. */
function swatches() {
  const swatch = (name, words) => h("li", { class: name }, h("span", { class: "dot", "aria-hidden": "true" }), words);
  const [point, seen, added, found] = [swatch("point", "item"), swatch("seen", "in the user’s history"), swatch("added", "added by you"), swatch("found", "found")];
  const element = h("ul", { class: "legend", "aria-label": "Legend" }, point, seen, added, found);
  const of = (row) => getComputedStyle(row.firstChild).color;
  return {
    element,
    show(withSeen, withAdded, withFound) {
      [seen.hidden, added.hidden, found.hidden] = [!withSeen, !withAdded, !withFound];
    },
    colours: () => ({
      point: of(point), seen: of(seen), added: of(added), found: of(found),
      ink: getComputedStyle(document.body).color, ground: getComputedStyle(document.body).backgroundColor,
    }),
  };
}
