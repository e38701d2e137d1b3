/** The types of Temporal's search attributes, as its command line spells them. */
export type SearchAttributeType = "Text" | "Keyword" | "Int" | "Double" | "Bool" | "Datetime" | "KeywordList";

/** Search attributes by name. */
export type SearchAttributes = Readonly<Record<string, SearchAttributeType>>;

/** What operators find sagas by; the namespace has to have them before a saga worker starts. */
export const sagaSearchAttributes = {
  SagaStep: "Keyword",
  SagaOutcome: "Keyword",
  NeedsAttention: "Bool",
} as const satisfies SearchAttributes;
