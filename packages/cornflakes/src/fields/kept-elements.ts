// How much a cleared list keeps for its next use.

/** A list that was longer gives its elements to the collector: one long message must not be paid for ever after. */
export const MAX_KEPT_ELEMENTS = 1024;
