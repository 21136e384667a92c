// Dead letters, and having them delivered after all.

import { el, empty, table } from "./dom.js";
import { brief, moment } from "./words.js";

/** @param retry called with an id; null when this login may not. */
export function rejected({ rejected: list, total }, retry) {
  if (!total) return empty("There are none: every receiver has taken what it was sent.");
  const columns = [["Number", "number"], ["Route"], ["Refused by"], ["Why"], ["Notification"], ["Refused at"], ["Retry"]];
  const caption = total > list.length ? `The first ${list.length} of ${total}` : "What was refused, and why";
  return table(caption, columns, list.map((each) => [
    String(each.id), each.route, each.by, reason(each), el("code", {}, brief(each.notification, 80)),
    moment(each.refused_at), button(each.id, retry),
  ]));
}

function reason(each) {
  return el("span", {}, brief(each.reason, 600),
    each.object ? el("code", { class: "under" }, brief(each.object, 120)) : null);
}

function button(id, retry) {
  const attributes = { type: "button", "aria-label": `Retry number ${id}`, disabled: retry === null, "data-key": `retry ${id}` };
  return el("button", retry ? { ...attributes, click: () => retry([id]) } : attributes, "Retry");
}
