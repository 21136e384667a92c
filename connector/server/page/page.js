// What is asked when, and where the answers go.

import { bars, draw, numbers, since, SEVERITIES, TYPES } from "./chart.js";
import { el, show } from "./dom.js";
import { guarded, isHeldBack } from "./guarded.js";
import * as matches from "./matches.js";
import * as parts from "./parts.js";
import { isWanted, letters, reasons } from "./rejected.js";
import { act, login, Refused, said } from "./server.js";
import { brief, counted, number } from "./words.js";

const EVERY = 5000;
const PAUSE = 30_000;
const COUNT_EVERY = 15_000;
const MATCHES = 25;
const LETTERS = 50;
const GUARDED = 5;

const at = (id) => document.getElementById(id);
const state = { who: null, group: null, after: 0, reasons: [], total: 0, known: "", counted: "", countedAt: 0, counts: null, first: 0, retrying: false, timer: 0, turn: Promise.resolve() };
const per = () => document.querySelector("input[name=per]:checked").value;

/** Ask for everything again, after what is being asked. */
function refresh() {
  state.turn = state.turn.catch(() => null).then(round);
  return state.turn;
}

async function round() {
  clearTimeout(state.timer);
  let wait = PAUSE;
  try {
    if (await told(ask)) wait = EVERY;
  } finally {
    state.timer = setTimeout(() => (document.hidden ? null : refresh()), wait);
  }
}

/** Ask, and show what went wrong; true when nothing did. */
async function told(asking) {
  try {
    await asking();
    trouble("");
    return true;
  } catch (error) {
    if (!(error instanceof Refused || error instanceof TypeError)) throw error;
    trouble(said(error));
    return false;
  }
}

async function ask() {
  state.who ??= await login();
  at("login").textContent = `· ${state.who.name}`;
  const { data, message } = await act("get_status");
  const standing = at("standing");
  if (standing.textContent !== message) show(standing, message);
  show(at("totals"), parts.totals(data));
  show(at("sources"), parts.sources(data.sources));
  show(at("routes"), parts.routes(data.routes, state.reasons));
  at("judged").hidden = !data.rules.length;
  show(at("rules"), parts.rules(data.rules));
  at("fresh").textContent = `As of ${new Date().toISOString().slice(11, 19)} UTC`;
  // The rest is asked for when something has happened, or the charts are to move on.
  const counts = data.routes.map((each) => [each.delivered, each.refused, each.dead_letters]);
  const counted = JSON.stringify([data.journal.notifications, since(per(), Date.now())]);
  const isOther = state.counts?.per !== per();
  // It reads thousands of notifications, so in a burst it waits a little.
  if (isOther || (counted !== state.counted && Date.now() - state.countedAt >= COUNT_EVERY)) {
    await overTime();
    Object.assign(state, { counted, countedAt: Date.now() });
  }
  const held = data.routes.filter(isHeldBack);
  const heldBack = held.map((each) => [each.name, each.guarded, each.guarded_hosts]);
  const known = JSON.stringify([data.journal.notifications, counts, heldBack]);
  if (known === state.known) return;
  await knownGood(held);
  await deadLetters();
  show(at("routes"), parts.routes(data.routes, state.reasons));
  matches.show(at("matches"), (await act("list_notifications", { order: "newest", limit: MATCHES })).data.notifications);
  state.known = known;
}

async function overTime() {
  const first = since(per(), Date.now());
  const asked = { per: per(), since: new Date(first).toISOString() };
  const { data } = await act("count_notifications", asked);
  Object.assign(state, { counts: data, first });
  drawAll();
}

function drawAll() {
  const { counts, first } = state;
  if (!counts) return;
  const byType = bars(counts, "entity_type", first);
  const bySeverity = bars(counts, "severity", first);
  const title = `Notifications per ${counts.per}`;
  draw(at("by-type"), counts.per, byType, TYPES, `${title}, by type`);
  draw(at("by-severity"), counts.per, bySeverity, SEVERITIES, `${title}, by severity`);
  show(at("counts"), numbers(counts.per, byType, bySeverity));
  const all = counts.counts.reduce((sum, each) => sum + each.notifications, 0);
  const span = counts.per === "hour" ? "48 hours" : "30 days";
  at("counted").textContent = `${number(all)} raised in the last ${span}`
    + (counts.complete ? "" : "; of those stored last alone, there are more");
}

async function knownGood(routes) {
  const shown = [];
  for (const route of routes) {
    const { data } = await act("list_guarded", { route: route.name, limit: GUARDED });
    shown.push({ ...route, newest: data.guarded });
  }
  at("held-back").hidden = !shown.length;
  show(at("guarded"), guarded(shown));
}

async function deadLetters() {
  const { data } = await act("list_rejected", { limit: 1 });
  Object.assign(state, { reasons: data.reasons, total: data.total });
  const may = state.who.may_act;
  show(at("rejected"), ...[
    data.total && !may ? el("p", { class: "note" }, `The login ${state.who.name} may look; to retry needs the scope act.`) : null,
    reasons(data, list, may ? retryGroup : null),
  ]);
  at("retry-all").textContent = `Retry all ${number(data.total)}`;
  at("retry-all").hidden = !(may && data.total > 1);
  await ofReason();
}

/** The dead letters of the reason that was chosen, from the place that was reached. */
async function ofReason() {
  const { group, after } = state;
  const asked = group && { route: group.route, reason: group.reason, limit: LETTERS + 1 };  // one more tells whether there is a next page
  let data = group && (await act("list_rejected", { ...asked, after })).data;
  if (data?.total && !data.rejected.length) {  // the last page was dealt with
    state.after = 0;
    data = (await act("list_rejected", asked)).data;
  }
  const isListed = Boolean(data?.rejected.length);
  at("of-reason").hidden = at("pages").hidden = !isListed;
  if (!isListed) return show(at("letters"));
  show(at("of-reason"), `${counted(data.total, "dead letter")} of ${group.route}: ${brief(group.reason, 200)}`);
  const shown = data.rejected.slice(0, LETTERS);
  show(at("letters"), letters(shown, state.who.may_act ? (id) => retry({ ids: [id] }) : null));
  at("first").hidden = !state.after;
  at("more").hidden = data.rejected.length <= LETTERS;
  at("more").dataset.after = shown.at(-1).id;
}

/** List the dead letters of another reason, or from another place; after what is being asked. */
async function go(to) {
  Object.assign(state, to);
  state.turn = state.turn.catch(() => null).then(() => told(ofReason));
  await state.turn;
  at(at("of-reason").hidden ? "rejected-title" : "of-reason").focus();
}

const list = (group) => go({ group, after: 0 });

async function retryGroup(group) {
  const { route, reason, dead_letters: count } = group;
  const question = `Retry ${counted(count, "dead letter")} of ${route}? What its receiver takes is delivered.`;
  if (await isWanted(at("question"), question)) await retry({ route, reason });
}

async function retryAll() {
  const routes = new Set(state.reasons.map((each) => each.route)).size;
  const question = `Retry all ${counted(state.total, "dead letter")} of ${counted(routes, "route")}?`;
  if (await isWanted(at("question"), `${question} What their receivers take is delivered.`)) await retry({});
}

/** Have dead letters delivered: those that the parameters of retry_rejected choose. */
async function retry(chosen) {
  if (state.retrying) return;
  state.retrying = true;
  const from = document.activeElement?.dataset.key;
  tell("Retrying…");
  try {
    const { message, errors } = await act("retry_rejected", chosen);
    tell([message, ...errors.slice(0, 3).map(({ cause }) => cause)].join(". "), errors.length ? "warn" : "good");
  } catch (error) {
    if (!(error instanceof Refused || error instanceof TypeError)) throw error;
    tell(said(error), "bad");
  } finally {
    state.retrying = false;
    state.known = "";
  }
  await refresh();
  const isThere = [...document.querySelectorAll("[data-key]")].some((each) => each.dataset.key === from);
  if (from && !isThere) at("rejected-title").focus();
}

function tell(text, kind = "") {
  show(at("retried"), text);
  at("retried").className = `note ${kind}`;
}

function trouble(text) {
  show(at("trouble"), text);
  at("trouble").hidden = !text;
}

at("retry-all").addEventListener("click", retryAll);
at("first").addEventListener("click", () => go({ after: 0 }));
at("more").addEventListener("click", () => go({ after: Number(at("more").dataset.after) }));
at("close").addEventListener("click", () => go({ group: null }));
for (const choice of document.querySelectorAll("input[name=per]")) choice.addEventListener("change", refresh);
document.addEventListener("visibilitychange", () => (document.hidden ? null : refresh()));
new ResizeObserver(drawAll).observe(document.querySelector(".charts"));
refresh();
