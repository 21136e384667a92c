// Sources and routes: where each stands.

import { el, empty, table } from "./dom.js";
import { brief, counted, moment, number, span } from "./words.js";

export function totals({ sources, routes, journal }) {
  const sum = (parts, key) => parts.reduce((all, part) => all + part[key], 0);
  const rejected = sum(routes, "dead_letters") + sum(sources, "dead_letters");
  const lost = sources.reduce((all, source) => all + source.lost.length, 0);
  return [
    total("Notifications kept", journal.notifications),
    total("Waiting to be delivered", sum(routes, "backlog")),
    total("Dead letters", rejected, rejected ? "warn" : "good"),
    total("Stretches lost upstream", lost, lost ? "bad" : "good"),
  ];
}

const total = (title, value, kind) => el("div", { class: kind }, el("dt", {}, title), el("dd", {}, number(value)));

export function sources(list) {
  if (!list.length) return empty("No source has run yet: iocstream run, or the action poll, fetches.");
  const columns = [
    ["Source"], ["State"], ["Lag", "number"], ["Fetched until"], ["Notifications", "number"], ["Quota used"],
    ["Looked up"], ["Unreadable", "number"], ["Lost upstream"],
  ];
  return table("Where notifications come from", columns, list.map((each) => [
    each.name, [state(each), trouble(each)], span(each.lag_seconds), moment(each.watermark), number(each.notifications),
    quota(each.quota), lookUps(each.look_ups), refused(each), lost(each),
  ]));
}

/** @param reasons how many dead letters each route has for which reason, the most first */
export function routes(list, reasons) {
  if (!list.length) return empty("No route has run yet.");
  const columns = [
    ["Route"], ["State"], ["Position", "number"], ["Backlog", "number"], ["Lag", "number"],
    ["Delivered", "number"], ["Dead letters", "number"], ["Last answer"],
  ];
  return table("Where they go", columns, list.map((each) => [
    el("span", {}, each.name, el("span", { class: "under" }, `from ${each.sources.join(", ")}`)),
    state(each), number(each.position),
    each.backlog ? el("strong", {}, number(each.backlog)) : "0",
    span(each.lag_seconds), number(each.delivered),
    refused(each), answer(each, reasons.find(({ route }) => route === each.name)),
  ]));
}

/** What analysts judged of the matches of rules: those to tune come first. */
export function rules(list) {
  const columns = [
    ["Rule"], ["Source"], ["Judged", "number"], ["True positive", "number"], ["False positive", "number"],
    ["Benign", "number"], ["Precision", "number"],
  ];
  return table("What their matches were judged, the most false positives first", columns, list.map((each) => [
    el("span", {}, brief(each.name, 120), each.ruleset ? el("span", { class: "under" }, `ruleset ${brief(each.ruleset, 80)}`) : null),
    each.source ?? "any", number(each.judged), number(each.true_positive),
    each.false_positive ? el("strong", { class: "warn" }, number(each.false_positive)) : "0",
    number(each.benign), `${Math.round(each.precision * 100)}%`,
  ]));
}

const refused = ({ dead_letters: count }) =>
  count ? el("a", { href: "#rejected-title", class: "warn" }, number(count)) : "0";

const KINDS = { running: "good", done: "good", waiting: "warn", blocked: "bad" };
const SAID = { done: "up to date" };

/** Whether nothing that a route was to deliver was taken. */
const isAllRefused = ({ delivered, dead_letters: refused }) => delivered === 0 && refused > 0;

/** What a part last said, as far as it still holds when no living process serves it. */
function state(part) {
  const { state: name, served_by: by } = part;
  const text = by || name === "blocked" ? (name ?? "running") : name ? "not running" : "never run";
  return el("span", {},
    isAllRefused(part)
      ? el("span", { class: "state bad" }, "refuses all")
      : el("span", { class: `state ${KINDS[text] ?? ""}` }, SAID[text] ?? text),
    by ? el("span", { class: "under" }, `process ${by.process} on ${by.host}`) : null);
}

/** Why a source waits or has stopped. */
const trouble = ({ message, state: name }) =>
  message ? el("span", { class: `under ${KINDS[name] ?? ""}` }, brief(message)) : null;

function answer(route, most) {
  const { message, state: name, backlog, outdated, dead_letters: refused } = route;
  if (message) return el("span", { class: KINDS[name] ?? "" }, brief(message));
  if (name === null || name === undefined) return "nothing was sent yet";
  if (isAllRefused(route)) return el("span", { class: "bad" }, `refuses all: ${brief(most?.reason ?? "see the dead letters")}`);
  if (backlog) return "accepted so far; more is waiting";
  if (refused) return `accepted all but ${number(refused)}`;
  return outdated ? `all accepted; ${counted(outdated, "is", "are")} to be updated` : "all accepted";
}

const SPANS = { api_requests_hourly: "hour", api_requests_daily: "day", api_requests_monthly: "month" };

function quota(said) {
  const rows = Object.entries(SPANS).flatMap(([key, name]) => {
    const { allowed, used } = said?.[key]?.user ?? said?.[key]?.group ?? {};
    return Number.isFinite(allowed) && Number.isFinite(used) && allowed > 0 ? [meter(name, used, allowed)] : [];
  });
  return rows.length ? rows : "not told";
}

function meter(name, used, allowed) {
  const text = `${number(used)} of ${number(allowed)} a ${name}`;
  return el("div", { class: "meter" },
    el("meter", { min: 0, max: allowed, high: allowed * 0.8, optimum: 0, value: used, "aria-label": text }), text);
}

function lookUps(said) {
  if (!said) return "off";
  return el("span", {},
    `${number(said.known)} known, ${number(said.waiting)} waiting`,
    el("span", { class: "under" }, `${number(said.today)} of ${number(said.per_day)} today`),
    said.message ? el("span", { class: "under warn" }, brief(said.message)) : null);
}

function lost({ lost: spans, look_ups: said }) {
  const gone = spans.map(({ start, end }) => el("li", { class: "bad" }, `${moment(start)} to ${moment(end)}`));
  const dropping = (said?.rulesets ?? [])
    .filter((each) => each.rate_limited || each.rate_limited_ratio)
    .map((each) => el("li", { class: "warn" }, dropped(each)));
  return gone.length + dropping.length ? el("ul", { class: "plain" }, gone, dropping) : "nothing";
}

function dropped({ id, name, rate_limited: now, rate_limited_ratio: ratio, limit }) {
  const share = ratio ? ` for ${Math.round(ratio * 100)}% of 24 hours${now ? " and now" : ""}` : " now";
  const cap = limit === null || limit === undefined ? "its limit" : `its limit of ${number(limit)} a day`;
  return `VirusTotal dropped matches of the ruleset ${brief(name || id, 80)}${share}: raise ${cap}`;
}
