// One slider for each objective. Only the ratio of the weights matters, so each slider shows its share of the decision.

import { h } from "./dom.js";
import * as state from "./state.js";

const FINE = 100;

/** CSS class with a task's colour, by the task's place in the model. */
export const colour = (tasks, name) => `task-${Math.max(0, tasks.findIndex((task) => task.name === name)) % 8}`;

/** The weight of each task: as set by the user, else the model's own. */
export function weights(model, by) {
  return Object.fromEntries(model.tasks.map((task) => [task.name, by ? (by[task.name] ?? 0) : (task.weight ?? 0)]));
}

export const share = (all, name) => {
  const sum = Object.values(all).reduce((total, weight) => total + Math.abs(weight), 0);
  return sum ? Math.round((100 * all[name]) / sum) : 0;
};

/** The panel of sliders for `model`; `update(state)` moves them to match the state. */
export function objectives(model) {
  const largest = Math.max(...model.tasks.map((task) => Math.abs(task.weight ?? 0)), 0) || 1;
  const rows = model.tasks.map((task) => slider(model, task, largest));
  const reset = h("button", { type: "button", class: "quiet", onclick: () => state.set({ by: null }) }, "Reset to the model’s weights");
  const hint = h("p", { class: "note" });
  const panel = h(
    "section",
    { class: "panel objectives", "aria-labelledby": "objectives-title" },
    h("h2", { id: "objectives-title" }, "Objectives"),
    h("p", { class: "note" }, "Move a slider to give an objective more or less weight."),
    ...rows.map((row) => row.element),
    hint,
    reset,
    model.preference && meaning(),
  );
  return {
    panel,
    update(current) {
      const all = weights(model, current.by);
      rows.forEach((row) => row.update(all));
      reset.disabled = current.by === null;
      hint.textContent = Object.values(all).some(Boolean) ? "" : "All objectives are at 0. Raise one to order the list.";
      panel.querySelectorAll("[name=asked]").forEach((choice) => (choice.checked = choice.value === current.asked));
    },
  };
}

function slider(model, task, largest) {
  const id = `weight-${model.tasks.indexOf(task)}`;
  const output = h("output", { for: id });
  const input = h("input", {
    id, type: "range", min: task.weight < 0 ? -FINE : 0, max: FINE, step: 1, "aria-describedby": "objectives-title",
    oninput: () => {
      const all = weights(model, state.get().by);
      state.set({ by: { ...all, [task.name]: (input.valueAsNumber / FINE) * largest } }, { replace: true });
    },
  });
  return {
    element: h(
      "div",
      { class: `slider ${colour(model.tasks, task.name)}` },
      h("label", { for: id }, h("span", { class: "dot", "aria-hidden": "true" }), task.name),
      output,
      input,
    ),
    update(all) {
      const place = Math.round((FINE * all[task.name]) / largest);
      if (input.valueAsNumber !== place) input.value = place;
      const words = `${share(all, task.name)} %`;
      output.textContent = words;
      input.setAttribute("aria-valuetext", `${words} of the decision`);
    },
  };
}

/** A model trained for every weighting can answer as if trained for this one, instead of only reordering. */
function meaning() {
  const choice = (value, words, more) =>
    h(
      "label",
      { class: "choice" },
      h("input", { type: "radio", name: "asked", value, onchange: () => state.set({ asked: value }) }),
      h("span", {}, words, h("small", {}, more)),
    );
  return h(
    "fieldset",
    {},
    h("legend", {}, "What the sliders do"),
    choice("by", "Reorder", "same scores, other weights"),
    choice("preference", "Ask the model again", "scores as if trained for these weights"),
  );
}
