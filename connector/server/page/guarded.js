// What known-good lists held back: how much on each route, and the newest of it.

import { el, table } from "./dom.js";
import { brief, moment, number } from "./words.js";

export const isHeldBack = (route) => route.guarded > 0 || route.guarded_hosts > 0;

/** @param routes as get_status has them, each with what `list_guarded` says of it as `newest`. */
export function guarded(routes) {
  const columns = [["Route"], ["Not delivered", "number"], ["Values left out", "number"], ["Newest"]];
  return table("What is not said to be bad, and the list that has it", columns, routes.map((each) => [
    each.name, number(each.guarded), number(each.guarded_hosts), el("ul", { class: "plain" }, each.newest.map(one)),
  ]));
}

const one = ({ value, list, notification, raised }) => el("li", {},
  el("code", {}, brief(value, 160)),
  el("span", { class: "under" }, `on ${brief(list, 80)}; notification ${brief(notification, 80)} of ${moment(raised)}`));
