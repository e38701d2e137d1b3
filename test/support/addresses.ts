/** The same address, user and password at another port: what a proxy before a service is reached at. */
export function atPort(url: string, port: number): string {
  const address = new URL(url);
  address.port = String(port);
  return address.href.replace(/\/$/, "");
}

/** `fetch` of an address that holds user and password, as curl takes it. */
export function fetchAs(url: string, init: RequestInit = {}): Promise<Response> {
  const { username, password, ...address } = splitUrl(url);
  const headers = { ...init.headers, ...(username !== "" && { Authorization: `Basic ${btoa(`${username}:${password}`)}` }) };
  return fetch(address.href, { ...init, headers });
}

function splitUrl(url: string): { readonly href: string; readonly username: string; readonly password: string } {
  const address = new URL(url);
  const { username, password } = address;
  address.username = "";
  address.password = "";
  return { href: address.href, username, password };
}
