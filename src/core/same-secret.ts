import { createHash, timingSafeEqual } from "node:crypto";

/** Whether what was given is the secret. Compares digests: how long it takes tells nothing of it, not even its length. */
export function isSameSecret(given: string, secret: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(secret));
}
