/** Whether a host is this machine itself, past any network. */
export const isLoopback = (host: string): boolean => /^(127(\.\d+){3}|\[?::1\]?|localhost)$/i.test(host);
