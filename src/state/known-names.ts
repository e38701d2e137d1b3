import type { NameStore, NamesCommit } from "../bus/known-names.ts";
import type { Fence } from "../bus/port.ts";
import { RetryableError } from "../core/errors.ts";
import type { IdentityPlan } from "../plan/stream.ts";
import { NameHash, NamePage } from "./name-page.ts";

/** What a name is to those that are remembered: not among them, or there with the same content, or with another. */
export type Naming = "new" | "duplicate" | "conflict";

/** Bytes of a name in the store: low, high and content, each as 4 bytes, the least significant first. */
const recordBytes = 12;
/** Names lie in pages of half as many as are to be remembered: two that are full, and the one that is being filled. */
const pageCount = 3;

interface Page {
  readonly number: number;
  readonly names: NamePage;
  readonly openedAt: number;
  /** When its newest name may be forgotten. */
  until: number;
}

/**
 * The names of the events that one pipeline has taken from one partition lately, as the owner of the partition sees them: the store
 * holds what is committed, this what is newest. Names stay as long as both limits of the plan say, and half as long again at most.
 *
 * One draft at a time: it is accepted, or thrown away by the next one.
 */
export class KnownNames {
  readonly #fence: Fence;
  readonly #store: NameStore;
  readonly #plan: IdentityPlan;
  /** Oldest first; not known yet. */
  #pages: Page[] | undefined;
  /** The number of the newest page; -1 where there was none. */
  #newest = -1;
  #open: NameDraft | undefined;

  constructor(fence: Fence, store: NameStore, plan: IdentityPlan) {
    this.#fence = fence;
    this.#store = store;
    this.#plan = plan;
  }

  /**
   * Opens the names for one read, at `now`, milliseconds since the epoch.
   * @throws RetryableError when they cannot be read at present
   */
  async draft(now: number): Promise<NameDraft> {
    this.#open?.abandon();
    const { rememberMs, maxNames } = this.#plan;
    const pages = (this.#pages ?? (await this.#stored(now))).filter(({ until }) => until > now);
    let page = pages.at(-1);
    if (!page || page.names.count >= maxNames / (pageCount - 1) || now >= page.openedAt + rememberMs / (pageCount - 1)) {
      page = { number: (page?.number ?? this.#newest) + 1, names: new NamePage(), openedAt: now, until: now };
      pages.push(page);
    }
    this.#newest = page.number;
    page.until = now + rememberMs;
    this.#pages = pages.slice(-pageCount);
    this.#open = new NameDraft(
      this.#pages.map(({ names }) => names),
      page.names,
      { page: page.number, out: page.number - pageCount, ttlMs: rememberMs },
    );
    return this.#open;
  }

  /** What the draft has taken stays. */
  accept(draft: NameDraft): void {
    if (this.#open === draft) this.#open = undefined;
  }

  async #stored(now: number): Promise<readonly Page[]> {
    const answer = await this.#store.names(this.#fence, pageCount);
    if (answer === "fenced") {
      const { partition, pipeline } = this.#fence;
      throw new RetryableError("lease.lost", `${partition.name}: another worker owns it for '${pipeline}' by now`);
    }
    const { newest, stored } = answer;
    this.#newest = newest;
    return stored.map((bytes, i) => {
      const names = new NamePage();
      for (let at = 0; at + recordBytes <= bytes.length; at += recordBytes)
        names.add(bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at + 8));
      return { number: newest - stored.length + 1 + i, names, openedAt: now, until: now + this.#plan.rememberMs };
    });
  }
}

/** The names that the events of one read bring. */
export class NameDraft {
  readonly #known: readonly NamePage[];
  readonly #page: NamePage;
  /** Its names in the page: from this number to below that one. */
  readonly #from: number;
  #to: number;
  readonly #commit: Omit<NamesCommit, "records">;
  readonly #hash = new NameHash();

  /** `page`, the last of those that are known, takes what is new. */
  constructor(known: readonly NamePage[], page: NamePage, commit: Omit<NamesCommit, "records">) {
    this.#known = known;
    this.#page = page;
    this.#from = page.count;
    this.#to = page.count;
    this.#commit = commit;
  }

  /** Takes a name that is new; `id` is a UUID. */
  take(id: string, contentHash: number): Naming {
    const { low, high } = this.#hash.of(id);
    const content = Math.max(1, contentHash >>> 0);
    for (let i = this.#known.length - 1; i >= 0; i--) {
      const known = (this.#known[i] as NamePage).find(low, high);
      if (known !== 0) return known === content ? "duplicate" : "conflict";
    }
    this.#page.add(low, high, content);
    this.#to++;
    return "new";
  }

  /** The event was set aside: it is to come in again when it is sent again. */
  forget(id: string): void {
    const { low, high } = this.#hash.of(id);
    this.#page.forget(low, high, this.#from, this.#to);
  }

  abandon(): void {
    this.#page.cutTo(this.#from);
    this.#to = this.#from;
  }

  /** What goes into the commit. */
  toCommit(): NamesCommit | undefined {
    const records = this.#page.bytesOf(this.#from, this.#to);
    return records.length === 0 ? undefined : { ...this.#commit, records };
  }
}
