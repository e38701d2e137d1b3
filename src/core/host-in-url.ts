/** A host as a URL has it: an address of IPv6 stands in brackets. */
export const hostInUrl = (host: string): string => (host.includes(":") ? `[${host}]` : host);
