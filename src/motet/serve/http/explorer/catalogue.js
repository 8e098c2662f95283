// Items by name. A catalogue may hold nothing but ids, or columns of which one is the name.

import * as api from "./api.js";

const NAMES = ["title", "name", "label", "item_title", "item_name", "product_name", "movie_title"];
const ADDRESS = 6000; // characters of ids in one request: well under what servers accept

const known = new Map();
let named = null;

/** Learns from a first look at the catalogue which column holds the name. */
export function learn({ items }) {
  named = NAMES.find((name) => name in (items[0] ?? {})) ?? null;
  items.forEach(keep);
}

export function keep(item) {
  known.set(String(item.id), item);
}

export function title(id) {
  const item = known.get(String(id));
  return String((named && item?.[named]) || id);
}

/** Columns besides the id and the name, without what is missing. */
export function columns(id) {
  const { id: _, ...rest } = known.get(String(id)) ?? {};
  return Object.entries(rest).filter(([name, value]) => name !== named && value !== null && value !== "" && value?.length !== 0);
}

/** Fetches the columns of items that are not known yet. Titles are decoration: a failure leaves ids in their place. */
export async function fetchItems(ids, signal) {
  const missing = [...new Set(ids.map(String))].filter((id) => !known.has(id));
  for (const part of parts(missing)) {
    try {
      (await api.items({ ids: part, limit: part.length }, signal)).items.forEach(keep);
    } catch (error) {
      if (signal?.aborted) throw error;
      return;
    }
    part.filter((id) => !known.has(id)).forEach((id) => known.set(id, { id }));
  }
}

function parts(ids) {
  const all = [];
  let length = ADDRESS;
  for (const id of ids) {
    const size = encodeURIComponent(id).length + 5;
    if (length + size > ADDRESS || all.at(-1).length >= 100) {
      all.push([]);
      length = 0;
    }
    all.at(-1).push(id);
    length += size;
  }
  return all;
}
