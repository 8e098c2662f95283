// Numbers, dates and units as a reader expects them.

const whole = new Intl.NumberFormat("en");
const day = new Intl.DateTimeFormat("en", { year: "numeric", month: "short", day: "numeric", timeZone: "UTC" });

export const count = (number) => whole.format(number);

/** Three significant digits, without an exponent. */
export function short(number) {
  if (typeof number !== "number" || !Number.isFinite(number)) return "–";
  const size = Math.abs(number);
  if (Number.isInteger(number)) return whole.format(number);
  if (size >= 100) return whole.format(Math.round(number));
  return number.toLocaleString("en", { minimumSignificantDigits: size < 0.01 ? 1 : 3, maximumSignificantDigits: 3 });
}

/** A task's score in its unit: a probability in per cent, a rating with the highest possible one, relevance as it is. */
export function score(number, { unit, range }) {
  if (!Number.isFinite(number)) return "–";
  if (unit === "probability") return `${short(100 * number)} %`;
  return range ? `${short(number)} of ${short(range[1])}` : short(number);
}

/** What a task's scores are measured in. */
export function measure({ unit, range }) {
  if (unit === "probability") return "probability, in %";
  if (unit === "relevance") return "relevance (higher is better)";
  return range ? `${unit}, ${short(range[0])} to ${short(range[1])}` : unit;
}

/** Seconds or ISO 8601 as a day; nothing if there is no time. */
export function date(time) {
  if (time === null || time === undefined || time === "") return "";
  const moment = new Date(typeof time === "number" ? time * 1000 : time);
  return Number.isNaN(moment.getTime()) ? String(time) : day.format(moment);
}

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** A value of an item or of the card: lists with commas, whole numbers without (a year has none), nothing for null. */
export function cell(value) {
  if (Array.isArray(value)) return value.map(cell).join(", ");
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : short(value);
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
