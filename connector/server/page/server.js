// Asking the server. The browser sends the login of the page; the header and the type say that this page asks.

const HERE = new URL("./", location.origin + location.pathname);

export class Refused extends Error {
  constructor(status, { detail, remedy }) {
    super(detail ?? `the server answered ${status}`);
    this.remedy = remedy ?? "";
  }
}

/** What an action answers: its envelope. Raises Refused, or TypeError when the server cannot be reached. */
export async function act(name, parameters = {}) {
  return answered(await fetch(new URL(`actions/${name}`, HERE), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(parameters),
    cache: "no-store",
  }));
}

export async function login() {
  return answered(await fetch(new URL("page/login.json", HERE), { cache: "no-store" }));
}

async function answered(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, body);
  return body;
}

/** An error in a sentence or two. */
export function said(error) {
  if (error instanceof Refused) return `${error.message}. ${error.remedy}`;
  return "The server cannot be reached; what is shown may be old. Asking again by itself.";
}
