// Numbers and times as people read them.

const NUMBERS = new Intl.NumberFormat("en");

export const number = (value) => (Number.isFinite(value) ? NUMBERS.format(value) : "–");

/** "1 dead letter", "3 dead letters". */
export const counted = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

/** A number of seconds: "40 s", "12 min", "3 h", "5 days". */
export function span(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

/** A time of RFC 3339, to the second, UTC. */
export function moment(text) {
  const at = new Date(text ?? NaN);
  return Number.isNaN(at.getTime()) ? "–" : at.toISOString().slice(0, 19).replace("T", " ");
}

/** A long text in short, and how long it is. */
export function brief(text, limit = 300) {
  const all = String(text ?? "–");
  return all.length > limit ? `${all.slice(0, limit)}… (${number(all.length)} characters)` : all;
}
