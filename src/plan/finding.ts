/** Something that is wrong with an application, found without running it. */
export interface Finding {
  readonly code:
    | "duplicate-name"
    | "cycle"
    | "key-clash"
    | "limit-clash"
    | "guards-clash"
    | "attribute-clash"
    | "split-keys"
    | "dedupe-short"
    | "no-pipelines"
    | "import-missing"
    | "schema-incompatible"
    | "stage-gone"
    | "stage-changed"
    | "stage-retired"
    | "state-version"
    | "no-version";
  /** The definition, such as `pipeline 'carts'`. */
  readonly where: string;
  readonly message: string;
  readonly hint: string;
}
