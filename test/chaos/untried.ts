/** What a fault needs is not on this machine: it proves nothing here, and the report says so. */
export class Untried extends Error {
  override readonly name = "Untried";
}
