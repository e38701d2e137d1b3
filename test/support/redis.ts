import { createClient } from "redis";

/** A plain connection, for what other programs do to Redis. Destroy it at the end. */
export async function redisClient(url: string) {
  const client = createClient({ url });
  client.on("error", () => {}); // commands reject with it
  await client.connect();
  return client;
}
