// Numbers, dates and units as a reader expects them.

const whole = new Intl.NumberFormat("en");
const day = new Intl.DateTimeFormat("en", { year: "numeric", month: "short", day: "numeric", timeZone: "UTC" });

export const count = (number) => whole.format(number);

/** Three significant digits, without an exponent where people read none. */
export function short(number) {
  if (typeof number !== "number" || !Number.isFinite(number)) return "–";
  const size = Math.abs(number);
  if (Number.isInteger(number)) return whole.format(number);
  if (size >= 100) return whole.format(Math.round(number));
  return number.toLocaleString("en", { minimumSignificantDigits: size < 0.01 ? 1 : 3, maximumSignificantDigits: 3 });
}

const PROBABILITIES = ["probability", "event", "funnel"];
const NUMBERS = ["rating", "ordinal", "score", "retrieval", "sampledretrieval", "wholecatalogue", "wholecatalogueretrieval", "bpr", "listwise"];

/** A task's score in its unit: a probability as per cent, stars and dot products as they are, anything else with the unit's name. */
export function score(number, unit) {
  if (!Number.isFinite(number)) return "–";
  if (PROBABILITIES.includes(unit)) return `${short(100 * number)} %`;
  return unit && !NUMBERS.includes(unit) ? `${short(number)} ${unit}` : short(number);
}

/** Seconds or ISO 8601 as a day; nothing where there is no time. */
export function date(time) {
  if (time === null || time === undefined || time === "") return "";
  const moment = new Date(typeof time === "number" ? time * 1000 : time);
  return Number.isNaN(moment.getTime()) ? String(time) : day.format(moment);
}

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** A cell of an item or of a card: lists with commas, whole numbers as they are (a year has no comma), nothing for what is missing. */
export function cell(value) {
  if (Array.isArray(value)) return value.map(cell).join(", ");
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : short(value);
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
