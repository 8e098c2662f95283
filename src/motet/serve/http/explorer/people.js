// A user: the history beside the recommendations, with sliders, added items and a second model.

import * as api from "./api.js";
import * as catalogue from "./catalogue.js";
import { announce, debounce, empty, failure, h, latest, skeleton } from "./dom.js";
import { cell, date, plural } from "./format.js";
import { objectives } from "./objectives.js";
import * as ranking from "./ranking.js";
import { searchField } from "./search.js";
import * as state from "./state.js";

const SUGGESTED = 6;
const SHOWN = 30;
const EVENTS = 200;

export const somebody = (current) => current.user !== null || current.guest;

/** The view of one user; `refresh(state, changed)` follows the state. */
export function people(model, firstUsers) {
  const search = searchField({
    label: "Find a user", placeholder: "Type an id", nothing: "No user has such an id.",
    find: async (text, signal) =>
      (await api.users({ search: text, limit: 8 }, signal)).users.map(({ id, events }) => ({ id, text: String(id), note: plural(events, "event") })),
    choose: ({ id }) => choose({ user: String(id), guest: false }),
  });
  const log = historyPanel();
  const picks = picksPanel(model, log.mark);
  const sliders = objectives(model);
  const body = h("div", { class: "desk" });
  const view = h(
    "div",
    { class: "people" },
    h("div", { class: "finder" }, search.field, newcomer()),
    body,
  );

  function layout(current) {
    if (!somebody(current)) return body.replaceChildren(welcome(firstUsers));
    if (!body.contains(log.panel)) body.replaceChildren(log.panel, picks.panel, sliders.panel);
    return null;
  }

  return {
    view,
    search: search.input,
    refresh(current, changed) {
      layout(current);
      sliders.update(current);
      if (!somebody(current)) return;
      if (changed.has("user") || changed.has("guest")) log.load(current);
      if (changed.has("with")) log.additions(current);
      if (["user", "guest", "by", "asked", "with", "model", "beside", "k"].some((name) => changed.has(name)) && decides(current)) picks.ask(current, changed);
    },
  };
}

/** With every objective at 0 there is nothing to order by: the last list stays, and the panel says why. */
const decides = ({ by }) => by === null || Object.values(by).some(Boolean);

const choose = (who) => state.set({ ...who, with: [] });

function newcomer() {
  return h("button", { type: "button", onclick: () => choose({ user: null, guest: true }) }, "New visitor");
}

function welcome(first) {
  const buttons = first.users.slice(0, SUGGESTED).map(({ id, events }) =>
    h("li", {}, h("button", { type: "button", class: "card", onclick: () => choose({ user: String(id), guest: false }) }, h("strong", {}, String(id)), h("span", { class: "faint" }, plural(events, "event")))),
  );
  return h(
    "section",
    { class: "welcome", "aria-labelledby": "welcome-title" },
    h("h1", { id: "welcome-title" }, "Whose recommendations do you want to see?"),
    h("p", {}, "Find a user by id, or see what a new visitor would get. You see the history, the recommendations, and the scores behind them."),
    buttons.length > 0 ? h("ul", { class: "cards", "aria-label": "Some users" }, buttons) : empty("The model was trained without users."),
  );
}

function historyPanel() {
  const title = h("h1", { id: "who" });
  const note = h("p", { class: "note" });
  const list = h("ol", { class: "history", "aria-label": "History, newest first" });
  const chips = h("ul", { class: "chips", "aria-label": "Added items" });
  const what = searchField({
    label: "Try adding an item", placeholder: "Search items", nothing: "No such item.",
    find: async (text, signal) => {
      const { items } = await api.items({ search: text, limit: 8 }, signal);
      items.forEach(catalogue.keep);
      return items.map(({ id }) => ({ id, text: catalogue.title(id) }));
    },
    choose: ({ id }) => !state.get().with.includes(String(id)) && state.set({ with: [...state.get().with, String(id)] }),
  });
  const box = h("div", {}, list);
  const panel = h("section", { class: "panel log", "aria-labelledby": "who" }, title, note, what.field, chips, box);
  const run = latest();

  async function load(current) {
    title.textContent = current.guest ? "New visitor" : `User ${current.user}`;
    note.textContent = "";
    const loading = run(async (signal) => (current.guest ? null : fetchHistory(current.user, signal)));
    if (current.guest) return box.replaceChildren(empty("No history yet. Add items above to see what they change."));
    box.replaceChildren(skeleton(8));
    try {
      const answer = await loading;
      if (answer) fill(answer);
    } catch (error) {
      box.replaceChildren(failure(error, () => load(current)));
    }
    return null;
  }

  async function fetchHistory(user, signal) {
    const answer = await api.history(user, EVENTS, signal);
    await catalogue.fetchItems(answer.items.slice(0, SHOWN).map((item) => item.id), signal);
    return answer;
  }

  function fill({ known, items, events }) {
    const many = items.length === EVENTS ? `The newest ${EVENTS} events` : plural(items.length, "event");
    const who = known ? many : "The model does not know this user.";
    note.textContent = events ? who : `${who} (without events since training)`;
    list.replaceChildren(...items.slice(0, SHOWN).map(event));
    const rest = items.length - SHOWN;
    box.replaceChildren(items.length ? list : empty("No events yet."));
    if (rest > 0) box.append(h("button", { type: "button", class: "quiet", onclick: (click) => more(items, click.target) }, `Show ${plural(rest, "older event")}`));
  }

  async function more(items, button) {
    button.disabled = true;
    await catalogue.fetchItems(items.map((item) => item.id));
    list.append(...items.slice(SHOWN).map(event));
    button.remove();
    list.children[SHOWN].querySelector("button").focus();
  }

  const name = (id) => h("li", {}, h("span", {}, catalogue.title(id)), h("button", { type: "button", "aria-label": `Remove ${catalogue.title(id)}`, onclick: () => remove(id) }, "×"));
  const remove = (id) => {
    state.set({ with: state.get().with.filter((other) => other !== id) });
    what.input.focus();
  };

  async function additions(current) {
    await catalogue.fetchItems(current.with);
    chips.replaceChildren(...current.with.map(name));
  }

  /** Highlights the events that are the reasons for the item under the pointer. */
  function mark(ids) {
    for (const row of list.children) row.classList.toggle("reason", ids.includes(row.dataset.id));
  }
  return { panel, load, additions, mark };
}

function event({ id, event: kind, value, time }) {
  const facts = [kind && value !== null && value !== undefined ? `${kind} ${cell(value)}` : kind, date(time)].filter(Boolean);
  return h(
    "li",
    { dataset: { id: String(id) } },
    h("button", { type: "button", class: "title", onclick: () => state.set({ item: String(id) }) }, catalogue.title(id)),
    h("span", { class: "faint" }, facts.join(" · ")),
  );
}

function picksPanel(model, mark) {
  const columns = h("div", { class: "columns" });
  const title = h("h2", { id: "picks-title" });
  const note = h("p", { class: "note" });
  const length = h("select", { "aria-label": "Number of items", onchange: () => state.set({ k: Number(length.value) }) }, [10, 20, 50].map((k) => h("option", { value: k }, `${k} items`)));
  const pickers = model.models?.length > 1 ? pick(model.models) : null;
  const panel = h(
    "section",
    { class: "panel picks", "aria-labelledby": "picks-title" },
    h("div", { class: "head" }, title, h("div", { class: "tools" }, pickers?.element, length)),
    note,
    columns,
  );
  const run = latest();
  const lists = new Map();
  const untouched = new Map(); // answers with the model's own weights and without added items, by user, model and k

  async function ask(current) {
    length.value = current.k;
    title.textContent = `Recommended to ${current.guest ? "a new visitor" : `user ${current.user}`}`;
    pickers?.update(current);
    panel.setAttribute("aria-busy", "true");
    if (!columns.childElementCount) columns.replaceChildren(skeleton(10));
    try {
      const answers = await run((signal) => Promise.all(asked(current).map((name) => both(current, name, signal))));
      if (answers) fill(current, answers);
    } catch (error) {
      lists.clear();
      note.textContent = "";
      columns.replaceChildren(failure(error, () => ask(state.get())));
    }
    panel.removeAttribute("aria-busy");
  }

  const asked = (current) => (current.beside ? [current.model, current.beside] : [current.model]);

  async function both(current, name, signal) {
    const key = JSON.stringify([current.user, name, current.k]);
    const plain = !current.by && !current.with.length;
    if (!plain && !untouched.has(key)) untouched.set(key, await answer({ ...current, by: null, with: [] }, name, signal));
    const now = await answer(current, name, signal);
    if (plain) untouched.set(key, now);
    await catalogue.fetchItems(now.items.flatMap((item) => [item.id, ...(item.reasons ?? []).map((reason) => reason.id)]), signal);
    return { ...now, before: plain ? null : untouched.get(key).items.map((item) => String(item.id)) };
  }

  function fill(current, answers) {
    if (!answers.every(({ key }) => lists.has(key)) || lists.size !== answers.length) build(answers);
    const ends = ranking.scales(model.tasks, answers.map(({ items }) => items));
    const orders = answers.map(({ items }) => items.map((item) => String(item.id)));
    answers.forEach(({ key, items, before, tasks }, at) => {
      const beside = answers.length > 1 ? orders[1 - at] : null;
      ranking.draw(lists.get(key), items, { tasks: tasks ?? model.tasks, ends, before, beside, onlook: mark });
    });
    pickers?.answered(answers[0].model.name);
    note.textContent = words(answers, orders);
    const first = answers[0].items[0];
    announce(first ? `${plural(answers[0].items.length, "recommendation")}; first ${catalogue.title(first.id)}` : "Nothing to recommend");
  }

  function build(answers) {
    lists.clear();
    const parts = answers.map(({ key, model: from }) => {
      const list = h("ol", { class: "ranking", "aria-label": `Recommendations of ${from.name}` });
      lists.set(key, list);
      return h("div", { class: "column" }, answers.length > 1 && h("h3", {}, from.name, " ", h("span", { class: "faint" }, from.version)), list);
    });
    columns.classList.toggle("two", answers.length > 1);
    columns.replaceChildren(...parts);
  }
  return { panel, ask: debounce(ask, 40) };
}

async function answer(current, name, signal) {
  const { model, results } = await api.recommend(
    {
      user: current.guest ? "new visitor" : current.user,
      k: current.k, reasons: true, model: name,
      by: current.asked === "by" ? current.by : null,
      preference: current.asked === "preference" ? current.by : null,
      history: current.with.length ? current.with : null,
    },
    signal,
  );
  return { model, key: name ?? model.name, known: results[0].known, items: results[0].items };
}

function words(answers, orders) {
  if (!orders[0].length) return "Nothing is left to recommend: this user has seen everything.";
  if (answers.length < 2) return answers[0].known ? "" : "An unknown user gets popular items, or items near those you add.";
  const shared = orders[0].filter((id) => orders[1].includes(id)).length;
  return `${shared} of ${orders[0].length} are in both lists.`;
}

/** Which model answers, and which one it is compared with. */
function pick(models) {
  const options = () => models.map(({ name, version }) => h("option", { value: name }, version ? `${name} ${version}` : name));
  const main = h("select", { "aria-label": "Model", onchange: () => state.set({ model: main.value }) }, options());
  const other = h("select", { "aria-label": "Compare with", onchange: () => state.set({ beside: other.value || null }) }, h("option", { value: "" }, "no comparison"), options());
  return {
    element: h("span", { class: "models" }, main, h("span", { class: "faint" }, "compared with"), other),
    /** The model that answered: which one it is, the service decides by the user. */
    answered(name) {
      main.value = name;
    },
    update(current) {
      if (current.model) main.value = current.model;
      other.value = current.beside ?? "";
    },
  };
}
