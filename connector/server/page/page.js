// What is asked when, and where the answers go.

import { bars, draw, numbers, since, SEVERITIES, TYPES } from "./chart.js";
import { el, show } from "./dom.js";
import { guarded, isHeldBack } from "./guarded.js";
import * as matches from "./matches.js";
import * as parts from "./parts.js";
import { rejected } from "./rejected.js";
import { act, login, Refused, said } from "./server.js";
import { number } from "./words.js";

const EVERY = 5000;
const PAUSE = 30_000;
const COUNT_EVERY = 15_000;
const MATCHES = 25;
const LETTERS = [10, 200];
const GUARDED = 5;

const at = (id) => document.getElementById(id);
const state = { who: null, letters: LETTERS[0], known: "", counted: "", countedAt: 0, counts: null, first: 0, retrying: false, timer: 0, turn: Promise.resolve() };
const per = () => document.querySelector("input[name=per]:checked").value;

/** Ask for everything again, after what is being asked. */
function refresh() {
  state.turn = state.turn.catch(() => null).then(round);
  return state.turn;
}

async function round() {
  clearTimeout(state.timer);
  let wait = EVERY;
  try {
    await ask();
    trouble("");
  } catch (error) {
    if (!(error instanceof Refused || error instanceof TypeError)) throw error;
    wait = PAUSE;
    trouble(said(error));
  } finally {
    state.timer = setTimeout(() => (document.hidden ? null : refresh()), wait);
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
  show(at("routes"), parts.routes(data.routes));
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
  await letters();
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

async function letters() {
  const { data } = await act("list_rejected", { limit: state.letters });
  const may = state.who.may_act;
  show(at("rejected"), ...[
    data.total && !may ? el("p", { class: "note" }, `The login ${state.who.name} may look; to retry needs the scope act.`) : null,
    rejected(data, may ? retry : null),
  ]);
  at("more").hidden = data.total <= state.letters || state.letters === LETTERS[1];
  at("retry-all").hidden = !(may && data.total > 1);
}

/** Have dead letters delivered: these, or all. */
async function retry(ids) {
  if (state.retrying) return;
  state.retrying = true;
  const from = document.activeElement?.dataset.key;
  tell("Retrying…");
  try {
    const { message, errors } = await act("retry_rejected", { ids });
    tell([message, ...errors.slice(0, 3).map(({ cause }) => cause)].join(". "), errors.length ? "warn" : "good");
  } catch (error) {
    if (!(error instanceof Refused || error instanceof TypeError)) throw error;
    tell(said(error), "bad");
  } finally {
    state.retrying = false;
    state.known = "";
  }
  await refresh();
  if (from && !document.querySelector(`[data-key="${from}"]`)) at("rejected-title").focus();
}

function tell(text, kind = "") {
  show(at("retried"), text);
  at("retried").className = `note ${kind}`;
}

function trouble(text) {
  show(at("trouble"), text);
  at("trouble").hidden = !text;
}

at("retry-all").addEventListener("click", () => retry([]));
at("more").addEventListener("click", () => {
  Object.assign(state, { letters: LETTERS[1], known: "" });
  at("rejected-title").focus();
  refresh();
});
for (const choice of document.querySelectorAll("input[name=per]")) choice.addEventListener("change", refresh);
document.addEventListener("visibilitychange", () => (document.hidden ? null : refresh()));
new ResizeObserver(drawAll).observe(document.querySelector(".charts"));
refresh();
