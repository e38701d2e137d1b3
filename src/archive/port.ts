import type {
  ArchivedColumn,
  ArchiveState,
  Generation,
  Location,
  Manifest,
  StoredRows,
  Survey,
  TableDay,
} from "../plan/archive.ts";
import type { TablePlan } from "../plan/table.ts";

/** Where files and manifests are kept. What is written is whole, or is not there. */
export interface ArchiveStore {
  /** For people. */
  readonly name: string;
  /** Where ClickHouse finds a path of the store. */
  locate(path: string): Location;
  /** Resolves when the files will outlive a crash. Throws where this process and ClickHouse do not see the same store. */
  settle(paths: readonly string[]): Promise<void>;
  publish(manifest: Manifest): Promise<void>;
  /** Nothing where there is none. */
  withdraw(generation: Generation): Promise<void>;
  /** Of a table or one of its days, by day and generation. */
  manifests(of: { readonly table: string; readonly day?: string }): Promise<readonly Manifest[]>;
  /** The paths of a generation's files, whether a manifest names them or not. */
  files(generation: Generation): Promise<readonly string[]>;
  remove(paths: readonly string[]): Promise<void>;
}

/** Days of tables, in the database that holds them. */
export interface ArchiveTables {
  tablesLike(prefix: string): Promise<readonly string[]>;
  hasTable(name: string): Promise<boolean>;
  columns(name: string): Promise<readonly ArchivedColumn[]>;
  storedRows(name: string, day?: string): Promise<ReadonlyMap<string, StoredRows>>;
  surveyDay(name: string, day: string, columns: readonly ArchivedColumn[], time: string): Promise<Survey>;
  surveyFiles(locations: readonly Location[], columns: readonly ArchivedColumn[], time: string): Promise<Survey>;
  fileColumns(location: Location): Promise<readonly string[]>;
  writeFile(
    location: Location,
    rows: {
      readonly name: string;
      readonly day: string;
      readonly columns: readonly ArchivedColumn[];
      readonly time: ArchivedColumn;
      readonly hours: readonly [from: number, to: number];
    },
  ): Promise<void>;
  measureFile(location: Location, columns: readonly ArchivedColumn[]): Promise<{ readonly rows: number; readonly bytes: number }>;
  load(
    name: string,
    locations: readonly Location[],
    columns: readonly ArchivedColumn[],
    kept?: readonly ArchivedColumn[],
  ): Promise<void>;
  createLike(name: string, like: string): Promise<void>;
  move(from: string, to: string, day: TableDay): Promise<void>;
  attach(to: string, from: string, day: TableDay): Promise<void>;
  drop(name: string): Promise<void>;
  /** Whether it was there. Of several that rename one table, one succeeds. */
  rename(from: string, to: string): Promise<boolean>;
  states(of: {
    readonly table: string;
    readonly day?: string;
  }): Promise<readonly (Generation & { readonly state: ArchiveState })[]>;
  setState(generation: Generation, state: ArchiveState, survey?: Pick<Survey, "rows" | "hash">): Promise<void>;
  prepare(): Promise<void>;
}

/** Who counts the rows of a day, and has to know when they go and come. */
export interface Counters {
  /** Counts the day for the last time, from the table that holds its rows now. */
  settle(table: TablePlan, day: string, from: string): Promise<void>;
  /** The day is to be counted again. */
  touched(table: TablePlan, day: string): Promise<void>;
}

export interface ArchiveDeps {
  /** What may be archived. */
  readonly archives: readonly TablePlan[];
  /** Statements end with the signal. */
  readonly tables: (signal?: AbortSignal) => ArchiveTables;
  readonly store: ArchiveStore;
  readonly counters: Counters;
  /** The time of the server that keeps the tables, milliseconds since the epoch. @throws ConfigError where ours is another */
  readonly now: () => Promise<number>;
  /** About so many rows go into one file; what a try has written whole, the next one keeps. @default 5000000 */
  readonly rowsPerFile?: number;
}
