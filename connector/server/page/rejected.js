// Dead letters: how many for which reason, those of one reason, and having them delivered after all.

import { el, empty, table } from "./dom.js";
import { brief, counted, moment, number } from "./words.js";

/**
 * A row for each route and reason.
 *
 * @param list called with a group, to list its dead letters
 * @param retry called with a group; null when this login may not
 */
export function reasons({ reasons: groups, total }, list, retry) {
  if (!total) return empty("There are none: every receiver has taken what it was sent.");
  const columns = [["Why"], ["Route"], ["Refused by"], ["Dead letters", "number"], ["What to do"]];
  const told = groups.reduce((sum, each) => sum + each.dead_letters, 0);
  return [
    table("Why how many were refused", columns, groups.map((each, at) => [
      brief(each.reason, 600), el("span", { class: "name" }, each.route), each.by, number(each.dead_letters), buttons(each, at + 1, list, retry),
    ])),
    told < total ? el("p", { class: "note" }, `and ${counted(total - told, "other")} for rarer reasons`) : null,
  ];
}

function buttons(group, place, list, retry) {
  const about = `${counted(group.dead_letters, "dead letter")} of ${group.route}, reason ${place}`;
  const key = `${group.route} ${group.reason}`;
  return el("span", { class: "buttons" },
    button("List", `List ${about}`, `list ${key}`, () => list(group)),
    button("Retry", `Retry ${about}`, `retry ${key}`, retry && (() => retry(group))));
}

/** Some of the dead letters of one reason. */
export function letters(rejected, retry) {
  const columns = [["Number", "number"], ["Notification"], ["Source"], ["Refused object"], ["Refused at"], ["Retry"]];
  return table("Those of this reason", columns, rejected.map((each) => [
    String(each.id), el("code", {}, brief(each.notification, 80)), each.source,
    each.object ? el("code", {}, brief(each.object, 120)) : "all of it", moment(each.refused_at),
    button("Retry", `Retry number ${each.id}`, `retry ${each.id}`, retry && (() => retry(each.id))),
  ]));
}

function button(text, label, key, click) {
  return el("button", { type: "button", "aria-label": label, "data-key": key, disabled: !click, ...(click && { click }) }, text);
}

/** Ask a person; true when it is wanted. */
export function isWanted(dialog, question) {
  dialog.querySelector("p").textContent = question;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((tell) => {
    dialog.addEventListener("close", () => tell(dialog.returnValue === "yes"), { once: true });
  });
}
