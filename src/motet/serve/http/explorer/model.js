// The model: its tasks, its card, its report, and which models share the traffic.

import * as api from "./api.js";
import { h } from "./dom.js";
import { cell, count, measure, plural } from "./format.js";
import { colour, share, weights } from "./objectives.js";

export function modelView(model) {
  const view = h(
    "div",
    { class: "model" },
    h("h1", {}, model.name, " ", h("span", { class: "faint" }, model.version)),
    h("p", { class: "note" }, `${count(model.items)} items, ${count(model.users)} users, ${plural(model.tasks.length, "task")}`),
    h("div", { class: "sheets" }, tasks(model), model.models?.length > 1 && models(model.models), report(model), card(model.card)),
  );
  return { view, refresh: () => null };
}

const sheet = (title, ...parts) => h("section", { class: "panel" }, h("h2", {}, title), ...parts);

function table(names, rows) {
  const head = h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)));
  const body = rows.map(([first, ...rest]) => h("tr", {}, h("th", { scope: "row" }, first), rest.map((value) => h("td", {}, value))));
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": names.join(", ") }, h("table", {}, h("thead", {}, head), h("tbody", {}, body)));
}

function tasks(model) {
  const all = weights(model, null);
  const named = ({ name }) => h("span", { class: colour(model.tasks, name) }, h("span", { class: "dot", "aria-hidden": "true" }), name);
  return sheet("Tasks", table(["task", "unit", "weight", "share"], model.tasks.map((task) => [named(task), measure(task), cell(task.weight), `${share(all, task.name)} %`])));
}

const models = (all) =>
  sheet("Models in service", table(["model", "version", "role", "traffic"], all.map((one) => [one.name, one.version, one.role, one.share === undefined ? "" : `${Math.round(100 * one.share)} %`])));

/** The report is a page of its own. A link cannot send a token, so with one the report is fetched and saved. */
function report(model) {
  const note = h("p", { class: "note", role: "status" });
  const open = async () => {
    note.textContent = "Fetching the report …";
    try {
      const address = URL.createObjectURL(await api.report());
      h("a", { href: address, download: "report.html" }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
      note.textContent = "Saved as report.html.";
    } catch (error) {
      note.textContent = (error.title ?? "") + error.message;
    }
  };
  const parts = !model.report
    ? [h("span", { class: "faint" }, "This model has no report. ", h("code", {}, "motet export"), " can add one.")]
    : api.token()
    ? [h("button", { type: "button", onclick: open }, "Download the report")]
    : [h("a", { href: "v1/report", target: "_blank", rel: "noopener" }, "Open the report"), " ", h("button", { type: "button", class: "quiet", onclick: open }, "Download")];
  return sheet("Report", h("p", {}, "How the model did on held-out rows, beside simple rules."), h("p", { class: "tools" }, parts), note);
}

function card(content) {
  if (!content || !Object.keys(content).length) return sheet("Model card", h("p", { class: "empty" }, "This model has no card."));
  return sheet("Model card", part(content));
}

const sentences = (value) => Array.isArray(value) && value.some((one) => String(one).includes(" "));

const flat = (value) => value === null || typeof value !== "object" || (Array.isArray(value) && value.every((one) => one === null || typeof one !== "object"));

/** Shows any card: plain values as facts, sentences as a list, objects of the same form as a table, the rest a level deeper. */
function part(value) {
  if (flat(value)) return h("p", {}, cell(value));
  if (Array.isArray(value)) return rows(value);
  const entries = Object.entries(value);
  const facts = entries.filter(([, one]) => flat(one) && one !== null).flatMap(([name, one]) => [h("dt", {}, spaced(name)), h("dd", {}, sentences(one) ? h("ul", {}, one.map((each) => h("li", {}, each))) : cell(one))]);
  const deeper = entries.filter(([, one]) => !flat(one)).map(([name, one]) => h("details", { open: true }, h("summary", {}, spaced(name)), part(one)));
  return h("div", { class: "part" }, facts.length > 0 && h("dl", { class: "facts" }, facts), deeper);
}

function rows(list) {
  const names = [...new Set(list.flatMap((one) => Object.keys(one ?? {})))];
  return table(names.map(spaced), list.map((one) => names.map((name) => cell(one?.[name]))));
}

const spaced = (name) => name.replaceAll("_", " ");
