import { ErrorReply } from "redis";
import { RetryableError } from "../core/errors.ts";
import type { Args, Redis } from "./client.ts";
import type { ConnectOptions } from "./connection.ts";
import { connectionClosed } from "./failure.ts";
import { Node } from "./node.ts";
import { membersIn, type Owners, ownersIn, redirectIn, type SlotsReply, slotOf } from "./slots.ts";

/** A command is redirected at most so often: two servers may disagree for a moment about who owns a slot. */
const maxRedirects = 5;
/** How long after a failure we ask who owns what, milliseconds: the failures of all partitions share the question. */
const askAfterMs = 100;

export interface ClusterOptions {
  /** What `node` answered to CLUSTER SLOTS. */
  readonly slots: SlotsReply;
  readonly node: Node;
  /** Addresses of some of the servers, for when none of those answers that were named since. */
  readonly seeds: readonly ConnectOptions[];
}

interface ClusterLayout {
  readonly owners: Owners;
  readonly members: readonly string[];
}

/**
 * A Redis Cluster: sends each command to the server that owns its slot, over one connection each, and follows slots that move
 * and replicas that take over.
 *
 * The driver's own cluster client is not made for this: a command for a server that it has not reached yet waits without end,
 * and it does not ask the others whether a replica has taken over. Here a command fails at once while its server is away, as it
 * does on a server that stands alone.
 */
export class Cluster implements Redis {
  readonly #template: Node;
  readonly #seeds: readonly ConnectOptions[];
  readonly #nodes = new Map<string, Node>();
  #owners: Owners;
  /** All servers that were named with the owners: where those have died meanwhile, a replica of theirs knows who owns their slots. */
  #members: readonly string[];
  #asking: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor({ slots, node, seeds }: ClusterOptions) {
    this.#template = node;
    this.#seeds = seeds;
    this.#owners = ownersIn(slots, node.address);
    this.#members = membersIn(slots, node.address);
  }

  slotOf(key: string): number {
    return slotOf(key);
  }

  serverOf(key: string): Node {
    return this.#node(this.#ownerOf(slotOf(key)));
  }

  lookAgain(): void {
    if (this.#closed) return;
    this.#asking ??= setTimeout(() => void this.#refresh(), askAfterMs);
  }

  servers(): readonly Node[] {
    return [...new Set(this.#owners)].flatMap((address) => (address === undefined ? [] : [this.#node(address)]));
  }

  async send<Answer = unknown>(key: string, args: Args): Promise<Answer> {
    const [answer] = await this.sendAll(key, [args]);
    return answer as Answer;
  }

  async sendAll(key: string, commands: readonly Args[]): Promise<readonly unknown[]> {
    const slot = slotOf(key);
    let address = this.#ownerOf(slot);
    let isOnTheWay = false;
    for (let redirects = 0; ; redirects++) {
      const node = this.#node(address);
      try {
        if (!isOnTheWay) return await node.sendAll(commands);
        const [, ...answers] = await node.sendAll([["ASKING"], ...commands]);
        return answers;
      } catch (error) {
        if (!(error instanceof ErrorReply) || /^(MOVED|CLUSTERDOWN) /.test(error.message)) this.lookAgain();
        const redirect = redirectIn(error, address);
        if (!redirect || redirects === maxRedirects) throw error;
        isOnTheWay = redirect.kind === "ask";
        address = redirect.address;
        if (!isOnTheWay) this.#owners[slot] = address;
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#asking);
    await Promise.all([...this.#nodes.values()].map((node) => node.close()));
  }

  #ownerOf(slot: number): string {
    const owner = this.#owners[slot];
    if (owner !== undefined) return owner;
    this.lookAgain();
    throw new RetryableError("service.unreachable", `no server of the cluster owns slot ${slot}`);
  }

  #node(address: string): Node {
    if (this.#closed) throw connectionClosed();
    const node = this.#nodes.get(address) ?? this.#template.at(address);
    this.#nodes.set(address, node);
    return node;
  }

  async #refresh(): Promise<void> {
    const found = await this.#ask();
    this.#asking = undefined;
    if (found && !this.#closed) this.#learn(found);
  }

  /** The first answer of those that we use, else of all that we have heard of, and of those that we began with; none while nobody answers. */
  async #ask(): Promise<ClusterLayout | undefined> {
    const ask = async (node: Node): Promise<ClusterLayout> => {
      const reply = await node.send<SlotsReply>(["CLUSTER", "SLOTS"]);
      return { owners: ownersIn(reply, node.address), members: membersIn(reply, node.address) };
    };
    const known = await Promise.any([...this.#nodes.values()].map(ask)).catch(() => undefined);
    if (known || this.#closed) return known;
    const others = this.#members.filter((address) => !this.#nodes.has(address)).map((address) => this.#template.at(address));
    const nodes = [...others, ...this.#seeds.map((options) => new Node(options))];
    const found = await Promise.any(nodes.map(ask)).catch(() => undefined);
    await Promise.all(nodes.map((node) => node.close()));
    return found;
  }

  #learn({ owners, members }: ClusterLayout): void {
    this.#owners = owners;
    this.#members = members;
    const addresses = new Set(owners);
    for (const [address, node] of this.#nodes) {
      if (addresses.has(address)) continue;
      this.#nodes.delete(address);
      void node.close();
    }
  }
}
