// Stacked bars over time, as SVG, drawn for the width that there is.

import { el, empty, show, svg, table } from "./dom.js";
import { number } from "./words.js";

export const TYPES = ["file", "url", "domain", "ip_address", "other"];
export const SEVERITIES = ["high", "medium", "low", "none", "unknown"];
export const SPANS = { hour: { milliseconds: 3600e3, bars: 48 }, day: { milliseconds: 86400e3, bars: 30 } };

const HEIGHT = 190;
const MARGIN = { top: 10, right: 4, bottom: 22, left: 40 };
const words = (series) => series.replace("_", " ");

/** When the first bar begins. */
export function since(per, now) {
  const { milliseconds, bars } = SPANS[per];
  return (Math.floor(now / milliseconds) - bars + 1) * milliseconds;
}

/** The counts of an answer, bar by bar: [{start, label, of: {series: number}}]. */
export function bars({ per, counts }, key, first) {
  const { milliseconds, bars: many } = SPANS[per];
  const made = Array.from({ length: many }, (_, at) => {
    const start = first + at * milliseconds;
    return { start, label: label(per, start), of: {} };
  });
  for (const each of counts) {
    const bar = made[Math.round((Date.parse(each.start) - first) / milliseconds)];
    if (bar) bar.of[each[key]] = (bar.of[each[key]] ?? 0) + each.notifications;
  }
  return made;
}

function label(per, start) {
  const text = new Date(start).toISOString();
  return per === "hour" ? `${text.slice(5, 10)} ${text.slice(11, 16)}` : text.slice(5, 10);
}

export function draw(place, per, made, series, title) {
  const width = Math.max(260, place.clientWidth);
  const sums = made.map(({ of }) => series.reduce((all, name) => all + (of[name] ?? 0), 0));
  const totals = series.map((name) => made.reduce((all, { of }) => all + (of[name] ?? 0), 0));
  const all = sums.reduce((a, b) => a + b, 0);
  const top = ceiling(Math.max(...sums));
  const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const x = (at) => MARGIN.left + (at * inner.width) / made.length;
  const y = (value) => MARGIN.top + inner.height * (1 - value / top);
  const step = inner.width / made.length;
  const said = `${title}: ${series.map((name, at) => `${words(name)} ${number(totals[at])}`).join(", ")}`;
  show(place,
    svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": said },
      [0, top / 2, top].filter(Number.isInteger).map((value) => [
        svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }),
        svg("text", { class: "axis end", x: MARGIN.left - 6, y: y(value) + 4 }, number(value)),
      ]),
      made.map((bar, at) => stack(bar, series, x(at), step, y)),
      ticks(per, made, width).map(({ at, text }) => [
        svg("line", { class: "tick", x1: x(at), x2: x(at), y1: y(0), y2: y(0) + 4 }),
        svg("text", { class: "axis", x: x(at), y: HEIGHT - 5 }, text),
      ]),
      all ? null : svg("text", { class: "axis middle", x: width / 2, y: HEIGHT / 2 }, "none in this time")),
    el("ul", { class: "legend" }, series.map((name, at) =>
      el("li", {}, svg("svg", { class: "swatch", viewBox: "0 0 10 10", "aria-hidden": "true" },
        svg("rect", { class: `s-${name}`, width: 10, height: 10, rx: 2 })), `${words(name)} ${number(totals[at])}`))));
}

function stack(bar, series, left, step, y) {
  let below = 0;
  const gap = Math.min(2, step / 4);
  return series.filter((name) => bar.of[name]).map((name) => {
    const from = below;
    below += bar.of[name];
    const height = Math.max(1, y(from) - y(below) - (from ? 1 : 0));
    return svg("rect",
      { class: `s-${name}`, x: left + gap / 2, width: step - gap, y: y(below), height },
      svg("title", {}, `${bar.label}: ${number(bar.of[name])} ${words(name)}`));
  });
}

/** Where the axis says which time it is: midnights, and as many others as there is room for. */
function ticks(per, made, width) {
  const room = Math.max(2, Math.floor(width / 80));
  const every = per === "hour" ? [6, 12, 24].find((hours) => made.length / hours <= room) ?? 24
    : [1, 2, 5, 10, 15].find((days) => made.length / days <= room) ?? 15;
  return made.flatMap(({ start, label: text }, at) => {
    const hour = new Date(start).getUTCHours();
    const wanted = per === "hour" ? hour % every === 0 : (made.length - 1 - at) % every === 0;
    const last = MARGIN.left + (at * (width - MARGIN.left)) / made.length > width - 40;
    return wanted && !last ? [{ at, text: per === "hour" && hour ? text.slice(6) : text.slice(0, 5) }] : [];
  });
}

/** A round number that is no less. */
function ceiling(value) {
  for (let power = 1; ; power *= 10) {
    const found = [2, 3, 4, 6, 8, 10].find((each) => each * power >= value);
    if (found) return found * power;
  }
}

/** The same numbers, for those who read tables. */
export function numbers(per, byType, bySeverity) {
  const columns = [["Time"], ...[...TYPES, ...SEVERITIES].map((name) => [words(name), "number"])];
  const rows = byType.flatMap((bar, at) => {
    const cells = [...TYPES.map((name) => bar.of[name]), ...SEVERITIES.map((name) => bySeverity[at].of[name])];
    return cells.some(Boolean) ? [[bar.label, ...cells.map((value) => number(value ?? 0))]] : [];
  });
  const caption = `Notifications per ${per}, by type and by severity; what has none is left out`;
  return rows.length ? table(caption, columns, rows.reverse()) : empty("There are none in this time.");
}
