/** What operators find sagas by, with Temporal's types; the namespace has to have them before a saga worker starts. */
export const sagaSearchAttributes = {
  SagaStep: "Keyword",
  SagaOutcome: "Keyword",
  NeedsAttention: "Bool",
} as const;
